import numpy as np
import pytest

from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.left_out import LeftOutCount
from imagebeam.images.stage_times import StageTime
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.transforms.elements import DecodedShard, FusedCoder, Page, ScoredShard, Shard
from tests.transforms.pictures import bad_entry, listed

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
    member = ImageLocation("a.zip", "7", "ZIP", (4, 9), "md5:00")
    entry = ListedImage("a.zip#b", member, ("kept", None), 1001)
    images = (*_REFS, entry, bad_entry("list.txt#line=3", 2, "no name"))
    page = Page(3, 1, images, {"list": StageTime(2.0, 1.0)}, {"hidden": LeftOutCount(1, ("c",))})
    decoded = coder.decode(coder.encode(page))
    assert [repr(each) for each in decoded.images] == [repr(each) for each in images]
    assert [type(each.location) for each in decoded.images] == [
        *[ImageLocation] * 3,
        type(images[3].location),
    ]
    assert (decoded.source, decoded.number, decoded.costs) == (3, 1, page.costs)
    assert decoded.left_out == page.left_out
    assert coder.decode(coder.encode(Page(0, 1, ()))) == Page(0, 1, ())
    assert coder.decode(coder.encode(_DECODED)).pixels.shape == (2, 10, 10, 3)
