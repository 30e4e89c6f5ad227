from pathlib import Path

import pytest

from imagebeam.storage.errors import NoCredentials
from imagebeam.storage.http.own_headers import header_value, parse_header
from imagebeam.storage.types import RequestHeader


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Accept-Language: de, en", RequestHeader("Accept-Language", "de, en")),
        ("Referer:https://a.org/", RequestHeader("Referer", "https://a.org/")),
        ("a.org Accept: image/*", RequestHeader("Accept", "image/*", "a.org")),
        (
            "A.b:80 Authorization: $TOKEN",
            RequestHeader("Authorization", "$TOKEN", "a.b:80"),
        ),
        ("a.org X-Api-Key: @/run/key", RequestHeader("X-Api-Key", "@/run/key", "a.org")),
    ],
)
def test_a_header_is_parsed(text: str, header: RequestHeader) -> None:
    assert parse_header(text) == header


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not of the form"),
        ("no colon", "not of the form"),
        (": value", "not of the form"),
        ("Accept: ", "not of the form"),
        ("Accept: a\r\nX: b", "not of the form"),
        ("Accept: \u0394", "not of the form"),
        ("a b c: d", "not of the form"),
        ("Host: a.org", "set by imagebeam itself"),
        ("a.org range: bytes=0-1", "set by imagebeam itself"),
        ("User-Agent: x", "set by imagebeam itself"),
        ("Authorization: $TOKEN", "needs the host"),
        ("a.org Authorization: Bearer c4n4ry", "visible in the process list"),
        ("a.org Cookie: a=c4n4ry", "visible in the process list"),
        ("X-Auth: c4n4ry", "visible in the process list"),
        ("X-Other: c4n4ry0123456789abcdefghijk", "visible in the process list"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_header(text)
    assert "c4n4ry" not in str(caught.value)


def test_values_are_read_when_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("TOKEN", "from the environment")
    assert header_value(RequestHeader("A", f"@{tmp_path}/key", "h")) == "from the file"
    assert header_value(RequestHeader("A", "$TOKEN", "h")) == "from the environment"


@pytest.mark.parametrize("content", [None, b"", b"a\nb", b"\x00"])
def test_a_missing_value_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(NoCredentials, match="the header A is missing or malformed: @"):
        header_value(RequestHeader("A", f"@{tmp_path}/key", "h"))
    with pytest.raises(NoCredentials, match=r"missing or malformed: \$NONE_OF_THAT_NAME"):
        header_value(RequestHeader("A", "$NONE_OF_THAT_NAME", "h"))
