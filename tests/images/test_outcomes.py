import numpy as np
import pytest

from images.decode import DecodedImage
from images.errors import CODES, Corrupt
from images.outcomes import pack, unpack


def test_a_picture_goes_through_unharmed() -> None:
    pixels = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    outcome = unpack(bytearray(pack(DecodedImage(pixels, 4_000_000_000, 7))), (2, 5))
    assert isinstance(outcome, DecodedImage)
    assert outcome.pixels.tolist() == pixels.tolist()
    assert (outcome.width, outcome.height) == (4_000_000_000, 7)


@pytest.mark.parametrize("code", CODES)
def test_an_error_goes_through_as_what_it_is(code: str) -> None:
    outcome = unpack(bytearray(pack(CODES[code]("two\nlines: ü"))), (2, 5))
    assert type(outcome) is CODES[code]
    assert str(outcome) == "two\nlines: ü"


def test_text_that_no_table_can_hold_is_spelled_out() -> None:
    assert str(unpack(bytearray(pack(Corrupt("\udcff.jpg"))), (2, 5))) == "\\udcff.jpg"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 8,
        b"\0" * 9,
        b"\0" * 9 + b"p" * 29,
        b"\0" * 9 + b"p" * 31,
        b"\1" * 9 + b"no_such_code\n",
        b"\1" * 9 + b"corrupt\n\xff",
        b"\2" * 9 + b"p" * 30,
    ],
)
def test_anything_else_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(bytearray(message), (2, 5))
