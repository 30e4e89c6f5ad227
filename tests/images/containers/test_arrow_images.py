"""Test Arrow files and streams that hold images: Feather, and the caches of Hugging Face."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits, MemberSelection
from imagebeam.images.listing.inputs import sources
from tests.images.containers.archives import arrow, content, opened, parquet

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
JPEG = b"\xff\xd8\xff"


def stream(table: pa.Table) -> bytes:
    return arrow(table, is_file=False)


def file(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    feather.write_feather(table, buffer, compression="zstd", chunksize=2)
    return buffer.getvalue()


def table(images: list[Any], **columns: Any) -> pa.Table:
    rows = [each and {"bytes": each[0], "path": each[1]} for each in images]
    return pa.table({"image": pa.array(rows, IMAGE), **columns})


FIVE = table([(JPEG + b"%d" % number, f"{number}.jpg") for number in range(5)], id=[*"abcab"])

pytestmark = pytest.mark.parametrize("write", [stream, file])
Write = Callable[[pa.Table], bytes]


def test_rows_are_images_in_any_order(write: Write) -> None:
    container = opened(write(FIVE), ContainerKind.PARQUET)
    members = list(container)
    assert [each.name for each in members] == [f"row={number}" for number in range(1, 6)]
    for number in (0, 4, 1, 1, 3, 2):
        place = members[number].place  # type: ignore[union-attr]
        assert container.read(place, 100) == JPEG + b"%d" % number


def test_rows_have_the_names_of_a_column(write: Write) -> None:
    by_id = opened(write(FIVE), ContainerKind.PARQUET, MemberSelection(id_key="id"))
    assert list(content(by_id)) == ["a", "b", "c", "a#2", "b#2"]
    by_path = opened(write(FIVE), ContainerKind.PARQUET, MemberSelection(id_key="image.path"))
    assert list(content(by_path)) == [f"{number}.jpg" for number in range(5)]
    other = opened(write(FIVE), ContainerKind.PARQUET, MemberSelection(id_key="x"))
    assert content(other) == {"": "archive_unsupported"}


def test_a_row_without_an_image_affects_only_itself(write: Write) -> None:
    data = write(table([None, (JPEG, "a"), (None, None), (b"x" * 101, "b")]))
    assert content(opened(data, ContainerKind.PARQUET), max_bytes=100) == {
        "row=1": "bad_member",
        "row=2": JPEG,
        "row=3": "bad_member",
        "row=4": "file_too_large",
    }


def test_damage_ends_the_listing(write: Write) -> None:
    data = write(FIVE)
    container = opened(data[: len(data) // 2], ContainerKind.PARQUET)
    *_, last = container
    assert (last.name, last.error.code) == ("", "archive_damaged")  # type: ignore[union-attr]
    found = content(opened(data, ContainerKind.PARQUET, limits=ContainerLimits(members=1)))
    assert [*found] == ["row=1", ""]


def test_tables_are_inputs_whatever_their_names(tmp_path: Path, write: Write) -> None:
    for name in ("a.arrow", "a.feather", "a.parquet", "a"):
        (tmp_path / name).write_bytes(write(FIVE))
        [source] = sources([str(tmp_path / name)], keep=["id"])
        assert [(each.uri, *each.extra_columns) for each in source] == [
            (f"{tmp_path}/{name}!/row={number}", text) for number, text in enumerate("abcab", 1)
        ]
    (tmp_path / "list.txt").write_text("a.arrow\n")
    [source] = sources([str(tmp_path / "list.txt")])
    assert [each.uri for each in source][4] == f"{tmp_path}/a.arrow!/row=5"
    (tmp_path / "b.arrow").write_bytes(parquet({"image": [JPEG]}))
    [source] = sources([str(tmp_path / "b.arrow")])
    assert [each.uri for each in source] == [f"{tmp_path}/b.arrow!/row=1"]


def test_a_row_may_name_a_file(tmp_path: Path, write: Write) -> None:
    (tmp_path / "a.arrow").write_bytes(write(table([(None, "x.jpg"), (JPEG, "y.jpg")])))
    [source] = sources([str(tmp_path / "a.arrow")])
    assert [each.uri for each in source] == [f"{tmp_path}/x.jpg", f"{tmp_path}/a.arrow!/row=2"]
