"""Test containers whose names are wrong."""

import gzip

import pytest

from imagebeam.images.containers.kinds import ContainerKind
from tests.images.containers.archives import (
    PICTURES,
    content,
    example,
    opened,
    parquet,
    tar,
    tfrecords,
    zipped,
)

RECORDS = tfrecords(example(image__encoded=b"1"))
TARS = [tar(), tar(mode="w:gz"), tar(mode="w:bz2"), tar(mode="w:xz"), zipped()]
TAR_KINDS = [kind for kind in ContainerKind if kind.format in ("tar", "zip")]


@pytest.mark.parametrize("named", TAR_KINDS)
@pytest.mark.parametrize("data", TARS, ids=range(len(TARS)))
def test_content_decides_the_kind(data: bytes, named: ContainerKind) -> None:
    assert content(opened(data, named)) == PICTURES


@pytest.mark.parametrize("named", [kind for kind in ContainerKind if kind.format != "nested"])
@pytest.mark.parametrize("data", [RECORDS, gzip.compress(RECORDS)], ids=["plain", "gzip"])
def test_record_files_are_recognised(data: bytes, named: ContainerKind) -> None:
    assert content(opened(data, named)) == {"record=1": b"1"}


def test_a_parquet_file_is_recognised() -> None:
    data = parquet({"image": [b"1"]})
    assert content(opened(data, ContainerKind.ZIP)) == {"row=1": b"1"}
