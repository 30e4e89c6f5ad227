import struct

import numpy as np
import pytest

from imagebeam.images.errors import CODES, Corrupt, InferenceFailed
from imagebeam.images.reading.wire_format import pack, pack_answers, unpack, unpack_answers
from imagebeam.images.stage_times import StageTime


def test_a_size_and_its_costs_are_preserved() -> None:
    costs = {"fetch": StageTime(0.5, 0.25), "decode": StageTime(2.0, 1.5)}
    packed = bytearray(pack((2_000_000_000, 7), costs))
    assert unpack(packed) == ((2_000_000_000, 7), costs)


@pytest.mark.parametrize("code", CODES)
def test_an_error_keeps_its_type_and_text(code: str) -> None:
    outcome, costs = unpack(bytearray(pack(CODES[code]("two\nlines: ü"), {})))
    assert costs == {}
    assert type(outcome) is CODES[code]
    assert str(outcome) == "two\nlines: ü"


def test_text_that_no_table_can_hold_is_escaped() -> None:
    outcome, _ = unpack(bytearray(pack(Corrupt("\udcff.jpg"), {})))
    assert str(outcome) == "\\udcff.jpg"


_FREE = b"\0" * 24
_SIZE_OF_ONE = b"\0" + b"\1\0\0\0" * 2


@pytest.mark.parametrize(
    "message",
    [
        b"",
        _FREE,
        _FREE + b"\0" * 8,
        _FREE + b"\0" * 9,
        _FREE + b"\0" + b"\xff" * 8,
        _FREE + _SIZE_OF_ONE + b"p",
        _FREE + b"\1" * 9 + b"no_such_code\n",
        _FREE + b"\1" * 9 + b"corrupt\n\xff",
        _FREE + b"\2" * 9 + b"p" * 30,
        struct.pack("<6f", 0, 0, 0, 0, 0, -1) + _SIZE_OF_ONE,
        struct.pack("<6f", 0, float("nan"), 0, 0, 0, 0) + _SIZE_OF_ONE,
    ],
)
def test_anything_else_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(bytearray(message))


def test_a_message_without_a_fault_is_accepted() -> None:
    assert unpack(bytearray(_FREE + _SIZE_OF_ONE))[0] == (1, 1)


def test_answers_are_preserved() -> None:
    values = np.array([[1.5, -2], [0, 0], [3, np.inf]], np.float32)
    costs = {"infer": StageTime(0.5, 0.25)}
    packed = bytearray(pack_answers(values, {1: InferenceFailed("two\nlines: ü \udcff")}, costs))
    found, errors, spent = unpack_answers(packed, 3, 2)
    assert found.tolist() == values.tolist()
    assert {row: (type(error), str(error)) for row, error in errors.items()} == {
        1: (InferenceFailed, "two\nlines: ü \\udcff")
    }
    assert spent == costs


@pytest.mark.parametrize(
    "message",
    [
        b"",
        _FREE,
        _FREE + b"\xff\xff\xff\xff",
        _FREE + b"\2\0\0\0[]" + b"\0" * 15,
        _FREE + b"\2\0\0\0[]" + b"\0" * 20,
        _FREE + b"\2\0\0\0{]" + b"\0" * 16,
        _FREE + b"\1\0\0\x003" + b"\0" * 16,
        _FREE + b"\3\0\0\0[3]" + b"\0" * 16,
        *(
            _FREE + struct.pack("<I", len(text)) + text + b"\0" * 16
            for text in (
                b'[[2,"corrupt",""]]',
                b'[["0","corrupt",""]]',
                b'[[0,"no_such_code",""]]',
                b'[[0,["corrupt"],""]]',
                b"[" * 100_000,
            )
        ),
    ],
)
def test_any_other_answers_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack_answers(bytearray(message), 2, 2)
