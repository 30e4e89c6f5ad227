import gzip

import pytest

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import (
    ContainerLimits,
    Member,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.errors import BadMember
from imagebeam.storage.tfrecord import Example
from tests.images.containers.archives import content, example, opened, tfrecords

RECORDS = [
    example(image__encoded=b"first", image__filename=b"a.jpg"),
    example(image__encoded=b"second" * 99, image__filename=b"b.jpg"),
    example(image__encoded=b"third", image__filename=b"c.jpg"),
]
BY_NUMBER = {"record=1": b"first", "record=2": b"second" * 99, "record=3": b"third"}


def test_every_record_is_an_image() -> None:
    assert content(opened(tfrecords(*RECORDS), ContainerKind.TFRECORD)) == BY_NUMBER


def test_compressed_files_are_read() -> None:
    data = gzip.compress(tfrecords(*RECORDS))
    assert content(opened(data, ContainerKind.TFRECORD_GZIP)) == BY_NUMBER


def test_other_keys_are_read() -> None:
    data = tfrecords(example(jpeg=b"1", name="ü".encode()), example(jpeg=b"2", name=b"y"))
    selection = MemberSelection(image_key="jpeg", id_key="name")
    assert content(opened(data, ContainerKind.TFRECORD, selection)) == {"ü": b"1", "y": b"2"}


def test_a_record_without_its_name_has_a_row() -> None:
    data = tfrecords(example(image__encoded=b"1"), RECORDS[1])
    selection = MemberSelection(id_key="image/filename")
    found = list(opened(data, ContainerKind.TFRECORD, selection))
    assert isinstance(found[0], MemberProblem)
    assert found[0].name == "record=1"
    assert str(found[0].error) == (
        "no bytes under the key 'image/filename'; the record's keys: image/encoded"
    )
    assert found[1].name == "b.jpg"


def test_records_with_an_empty_name_have_rows_of_their_own() -> None:
    nameless = example(image__encoded=b"1", image__filename=b"")
    selection = MemberSelection(id_key="image/filename")
    found = content(opened(tfrecords(nameless, nameless), ContainerKind.TFRECORD, selection))
    assert found == {"record=1": "bad_member", "record=2": "bad_member"}


@pytest.mark.parametrize("record", [b"", b"no Example", example(other=b"x")])
def test_a_record_without_an_image_affects_only_itself(record: bytes) -> None:
    found = content(opened(tfrecords(RECORDS[0], record, RECORDS[2]), ContainerKind.TFRECORD))
    assert found == {"record=1": b"first", "record=2": "bad_member", "record=3": b"third"}


def test_a_record_of_several_images_says_so() -> None:
    twice = Example()
    twice.features.feature["image/encoded"].bytes_list.value.extend([b"1", b"2"])
    container = opened(tfrecords(twice.SerializeToString()), ContainerKind.TFRECORD)
    [member] = container
    assert isinstance(member, Member)
    with pytest.raises(BadMember) as caught:
        container.read(member.place, 100)
    assert str(caught.value) == ("2 values under the key 'image/encoded'. Write a record per image")


def test_damage_in_a_record_affects_only_itself() -> None:
    data = bytearray(tfrecords(*RECORDS))
    data[data.index(b"second")] ^= 1
    assert content(opened(bytes(data), ContainerKind.TFRECORD)) == {
        **BY_NUMBER,
        "record=2": "bad_member",
    }


def test_records_before_a_cut_are_kept() -> None:
    data = tfrecords(*RECORDS)
    ends = {len(tfrecords(*RECORDS[:count])): count for count in range(4)}
    for end in range(len(data)):
        found = content(opened(data[:end], ContainerKind.TFRECORD))
        assert found.pop("", None) == (None if end in ends else "archive_damaged")
        complete = max(count for length, count in ends.items() if length <= end)
        assert found == dict(list(BY_NUMBER.items())[:complete])


def test_a_record_over_the_limit_is_an_error_row() -> None:
    found = content(opened(tfrecords(*RECORDS), ContainerKind.TFRECORD), max_bytes=100)
    assert found == {**BY_NUMBER, "record=2": "file_too_large"}


def test_a_record_too_many_ends_the_listing() -> None:
    found = content(
        opened(tfrecords(*RECORDS), ContainerKind.TFRECORD, limits=ContainerLimits(members=1))
    )
    assert found == {"record=1": b"first", "": "archive_limit"}
