"""Test what tables of images have in common, in Parquet and in Arrow files."""

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import MemberSelection
from tests.images.containers.archives import arrow, content, opened


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


pytestmark = pytest.mark.parametrize("write", [_parquet, lambda table: arrow(table, is_file=True)])


def test_names_of_columns_may_have_dots(write: Callable[[pa.Table], bytes]) -> None:
    image = pa.array([b"first", b"second"])
    data = write(pa.table({"image.bytes": image, "file.name": ["a", "b"]}))
    assert content(opened(data, ContainerKind.PARQUET)) == {"row=1": b"first", "row=2": b"second"}
    by_name = MemberSelection(image_column="image.bytes", id_key="file.name")
    assert content(opened(data, ContainerKind.PARQUET, by_name)) == {"a": b"first", "b": b"second"}


def test_the_first_of_two_columns_with_one_name_is_read(write: Callable[[pa.Table], bytes]) -> None:
    columns = [pa.array([b"first"]), pa.array(["a"]), pa.array([b"other"]), pa.array(["b"])]
    data = write(pa.Table.from_arrays(columns, ["image", "id", "image", "id"]))
    by_id = MemberSelection(id_key="id")
    assert content(opened(data, ContainerKind.PARQUET, by_id)) == {"a": b"first"}
