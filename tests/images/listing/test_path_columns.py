from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.images.errors import InputError
from imagebeam.images.listing.inputs import extra_columns, sources
from imagebeam.images.listing.path_columns import available, values
from tests.images.containers.archives import tar
from tests.images.listing.test_folders import tree


@pytest.mark.parametrize(
    ("path", "columns", "expected"),
    [
        ("in/cats/a.jpg", ["folder"], ("cats",)),
        ("in/year=2024/cats/a.jpg", ["year", "folder"], ("2024", "cats")),
        ("in/year=2023/year=2024/a.jpg", ["year"], ("2024",)),
        ("a.jpg", ["folder"], (None,)),
        ("x/year=2024.jpg", ["year"], (None,)),
    ],
)
def test_values_of_a_path(path: str, columns: list[str], expected: tuple[str | None, ...]) -> None:
    assert values(path, columns) == expected


def test_partitions_must_be_there() -> None:
    assert available("x/year=1/a.jpg", ["year", "folder"])
    assert not available("x/a.jpg", ["year", "folder"])


def test_the_folders_of_a_folder_and_of_a_tar_are_kept(tmp_path: Path) -> None:
    tree(tmp_path, "in/cats/a.jpg", "in/dogs/b.jpg")
    (tmp_path / "a.tar").write_bytes(tar({"birds/c.jpg": b"1"}))
    found = sources([str(tmp_path / "in"), str(tmp_path / "a.tar")], keep=["folder"])
    assert extra_columns(found) == {"folder": pa.string()}
    assert [each.extra_columns for source in found for each in source] == [
        *(("cats",), ("dogs",), ("birds",)),
    ]


def test_columns_of_a_table_of_images_are_kept(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"\x89PNG", "path": f"{n}.png"} for n in range(3)], kind)
    words = pa.array(["x", None, "y"]).dictionary_encode()
    pq.write_table(pa.table({"image": images, "label": [4, 5, 6], "word": words}), tmp_path / "t")
    (tmp_path / "t").rename(tmp_path / "t.parquet")
    [source] = sources([str(tmp_path / "t.parquet")], keep=["label", "word"])
    assert extra_columns([source]) == {"label": pa.int64(), "word": pa.string()}
    assert [each.extra_columns for each in source] == [(4, "x"), (5, None), (6, "y")]
    with pytest.raises(InputError, match="no column 'truth' to keep; it has 'image', 'label'"):
        sources([str(tmp_path / "t.parquet")], keep=["truth"])
