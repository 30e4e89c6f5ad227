import hashlib
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.outputs.same_content import SameContent
from imagebeam.transforms.count_same_content import CountSameContent


@pytest.mark.parametrize(
    ("contents", "expected"), [([], SameContent()), ([[1, 2], [2, 3, 2]], (3, 1, ((2, 3),)))]
)
def test_images_of_all_files_are_compared(
    tmp_path: Path, contents: list[list[int]], expected: tuple[int, int, tuple[tuple[int, int]]]
) -> None:
    def digest(number: int) -> str:
        return hashlib.sha256(bytes([number])).hexdigest()

    paths = []
    for number, some in enumerate(contents):
        paths.append(str(tmp_path / f"part-{number}.parquet"))
        pq.write_table(pa.table({"sha256": [digest(each) for each in some]}), paths[-1])
    images, groups, largest = expected
    wanted = SameContent(images, groups, tuple((digest(each), count) for each, count in largest))
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create(paths) | CountSameContent("sha256")
        assert_that(found, equal_to([wanted]))
