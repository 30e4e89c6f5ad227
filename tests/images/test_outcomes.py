import pytest

from images.errors import CODES, Corrupt
from images.outcomes import Size, pack, unpack


def test_a_size_goes_through_unharmed() -> None:
    assert unpack(bytearray(pack(Size(2_000_000_000, 7)))) == Size(2_000_000_000, 7)


@pytest.mark.parametrize("code", CODES)
def test_an_error_goes_through_as_what_it_is(code: str) -> None:
    outcome = unpack(bytearray(pack(CODES[code]("two\nlines: ü"))))
    assert type(outcome) is CODES[code]
    assert str(outcome) == "two\nlines: ü"


def test_text_that_no_table_can_hold_is_spelled_out() -> None:
    assert str(unpack(bytearray(pack(Corrupt("\udcff.jpg"))))) == "\\udcff.jpg"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 8,
        b"\0" * 9,
        b"\0" + b"\1" * 9,
        b"\0" + b"\xff" * 8,
        b"\1" * 9 + b"no_such_code\n",
        b"\1" * 9 + b"corrupt\n\xff",
        b"\2" * 9 + b"p" * 30,
    ],
)
def test_anything_else_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(bytearray(message))
