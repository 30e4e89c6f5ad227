import re

import pytest

from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.images.errors import (
    CODES,
    DecodeError,
    FetchError,
    ImageError,
    InferenceError,
    InputError,
    ListingError,
    UnexpectedFetch,
    translate_store_errors,
)
from imagebeam.storage.errors import StoreError

STAGES: dict[type[ImageError], str] = {
    ListingError: "list",
    FetchError: "fetch",
    DecodeError: "decode",
    InferenceError: "infer",
}


def test_the_list_is_closed_and_in_the_order_of_the_flow() -> None:
    assert list(CODES) == [
        *("listing_failed", "bad_entry"),
        *("archive_damaged", "archive_limit", "archive_unsupported", "listing_defect"),
        *("unsupported_scheme", "not_found", "permission_denied", "not_a_file"),
        *("file_too_large", "bad_member", "no_credentials", "fetch_timeout", "throttled"),
        *("connection_failed", "wrong_bytes", "digest_mismatch", "changed", "blocked_address"),
        *("too_many_redirects", "opted_out", "read_failed", "fetch_defect"),
        *("empty_file", "unsupported_format", "unsupported_pixels", "too_many_pixels"),
        *("truncated", "corrupt", "decode_timeout", "decode_crash", "decode_memory"),
        *("inference_failed", "not_finite"),
    ]


def test_the_list_cannot_be_extended() -> None:
    with pytest.raises(TypeError):
        CODES["new"] = ImageError  # type: ignore[index]


def test_transient_errors_are_retryable() -> None:
    assert [code for code, error in CODES.items() if error.retryable] == [
        "listing_failed",
        "archive_damaged",
        "archive_unsupported",
        "listing_defect",
        "not_found",
        "permission_denied",
        "no_credentials",
        "fetch_timeout",
        "throttled",
        "connection_failed",
        "wrong_bytes",
        "digest_mismatch",
        "changed",
        "read_failed",
        "fetch_defect",
        "decode_timeout",
        "decode_crash",
        "decode_memory",
        "inference_failed",
    ]


@pytest.mark.parametrize("code", CODES)
def test_each_error_states_stage_cause_and_fix(code: str) -> None:
    error = CODES[code]
    assert error.code == code
    assert re.fullmatch("[a-z]+(_[a-z]+)*", code)
    assert [STAGES[base] for base in error.__mro__ if base in STAGES] == [error.stage]
    for sentence in (error.cause, error.fix):
        assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert str(error("3 bytes")) == "3 bytes"


def test_every_store_error_has_a_code_of_the_list() -> None:
    for kind in StoreError.__subclasses__():
        with pytest.raises(CODES[kind.code], match=r"\Awhy\Z"), translate_store_errors():
            raise kind("why")


def test_an_unknown_store_exception_fails_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    class UnheardOfError(Exception):
        pass

    address = "https://a.org/?key=secret"
    for raised, text in (
        (UnheardOfError(address), f"{UnheardOfError.__qualname__}: https://a.org/?…, at test_err"),
        (
            RecursionError(),
            "defect of imagebeam, not of the input: RecursionError: , at test_err",
        ),
        (MemoryError(), "no memory was left"),
    ):
        with pytest.raises(UnexpectedFetch) as caught, translate_store_errors():
            raise raised
        assert text in str(caught.value)
    monkeypatch.setenv(RAISE_UNEXPECTED, "1")
    with pytest.raises(UnheardOfError), translate_store_errors():
        raise UnheardOfError
    with pytest.raises(KeyboardInterrupt), translate_store_errors():
        raise KeyboardInterrupt


def test_a_wrong_input_is_an_error_for_the_user() -> None:
    assert issubclass(InputError, ValueError)
    assert not issubclass(InputError, ImageError)
