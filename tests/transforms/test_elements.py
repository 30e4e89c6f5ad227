import numpy as np
import pytest

from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.transforms.elements import DecodedShard, FusedCoder, Page, ScoredShard, Shard
from tests.transforms.pictures import listed

_REFS = (listed("a", 0), listed("b", 1))
_SIZES = np.array([1, 2], np.int32)
_DECODED = DecodedShard(
    *("id", ["a", "b"], [(), ()], _SIZES, _SIZES),
    *((), {}, np.zeros((2, 10, 10, 3), np.uint8)),
)
_ANSWERS = ModelOutputs(None, np.zeros((2, 7), np.float32), np.zeros((2, 5), np.float32))
_SCORED = ScoredShard("id", ["a", "b"], [(), ()], _SIZES, _SIZES, (), {}, _ANSWERS)


@pytest.mark.parametrize(
    ("record", "size"),
    [
        (Page(0, 0, _REFS), 200),
        (Shard("id", _REFS), 200),
        (_DECODED, 600 + 200),
        (_SCORED, 4 * 2 * 12 + 200),
    ],
)
def test_a_record_is_weighed_by_its_arrays_and_names(record: object, size: int) -> None:
    assert FusedCoder(type(record)).estimate_size(record) == size


def test_a_record_can_be_encoded_and_decoded() -> None:
    coder = FusedCoder(Page)
    assert coder.decode(coder.encode(Page(0, 1, _REFS))) == Page(0, 1, _REFS)
    assert coder.decode(coder.encode(_DECODED)).pixels.shape == (2, 10, 10, 3)
