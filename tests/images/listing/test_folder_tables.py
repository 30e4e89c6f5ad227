"""Test folders of tables, on a disk and in buckets, which are read alike."""

import io
import uuid
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.images.errors import InputError
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.names import NameRules
from imagebeam.storage import AnyPath, location
from tests.images.encoding import encode, smooth

_JPEG = encode(smooth(8, 8), "JPEG")
A, B, C = (f"gs://x/{name}.jpg" for name in "abc")
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(params=["folder", "gcs_bucket", "s3_bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> AnyPath:
    """Return the name of a folder that does not exist yet."""
    if request.param == "folder":
        return tmp_path / "in"
    return location(f"{request.getfixturevalue(request.param)}/{uuid.uuid4().hex}/in")


def put(folder: AnyPath, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def names(*uris: str) -> bytes:
    return parquet(pa.table({"uri": pa.array(uris, pa.string())}))


def csv(uri: str) -> bytes:
    return f"uri\n{uri}\n".encode()


def pictures(count: int = 1) -> bytes:
    rows = [{"bytes": _JPEG, "path": None}] * count
    return parquet(pa.table({"image": pa.array(rows, _IMAGE)}))


def stream(count: int = 1) -> bytes:
    file = io.BytesIO()
    table = pa.table({"image": pa.array([{"bytes": _JPEG, "path": None}] * count, _IMAGE)})
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def listing(
    text: object, exclude: tuple[str, ...] = (), keep: tuple[str, ...] = ()
) -> tuple[list[tuple[object, ...]], dict[str, int]]:
    """Return name or error code, with columns, of each image, and what was left out."""
    left_out = LeftOut()
    found = sources([str(text)], keep=keep, rules=ListingRules(NameRules(exclude)))
    images = [
        (each.error.code if each.error else each.uri, *each.extra_columns)
        for source in found
        for each in source.images(left_out)
    ]
    return images, {reason: count.entries for reason, count in left_out.take().items()}


def test_marker_files_of_spark_are_counted(folder: AnyPath) -> None:
    put(
        folder,
        {
            "_SUCCESS": b"",
            "._SUCCESS.crc": b"crc",
            "_committed_1": b'{"added": []}',
            "_started_1": b"",
            "_metadata": b"PAR1",
            "_common_metadata.parquet": names(),
            "year=2023/part-0.parquet": pictures(2),
            "year=2023/.part-0.parquet.crc": b"crc",
            "year=2024/part-0.parquet": pictures(),
            "year=2024/notes.md": b"text",
            "year=2024/other.tar": b"tar",
        },
    )
    images, left_out = listing(folder, keep=("year",))
    assert images == [
        (f"{folder}/year=2023/part-0.parquet!/row=1", "2023"),
        (f"{folder}/year=2023/part-0.parquet!/row=2", "2023"),
        (f"{folder}/year=2024/part-0.parquet!/row=1", "2024"),
    ]
    assert left_out == {"hidden": 7, "other_kind": 1, "archive": 1}


def test_what_a_job_that_did_not_end_wrote_is_left_out(folder: AnyPath) -> None:
    put(
        folder,
        {"a.parquet": names(A), "_temporary/0/b.parquet": names(B)},
    )
    assert listing(folder) == ([(A,)], {"hidden": 1})


def test_a_partition_may_begin_with_an_underscore(folder: AnyPath) -> None:
    put(folder, {"_day=1/a.parquet": names(A)})
    assert listing(folder, keep=("_day",)) == ([(A, "1")], {})


def test_tables_are_excluded_as_images_are(folder: AnyPath) -> None:
    put(
        folder,
        {
            "a.csv": csv(A),
            "b.csv": csv(B),
            "old/c.csv": b"no table",
        },
    )
    assert listing(folder, exclude=("b.*", "old")) == ([(A,)], {"excluded": 2})


def test_what_save_to_disk_writes_is_read_and_its_descriptions_are_counted(folder: AnyPath) -> None:
    description = b'{"features": {}}'
    for split in ("test", "train"):
        put(folder / split, {"data-0.arrow": stream(), "state.json": description})
    put(folder, {"dataset_dict.json": b'{"splits": ["train", "test"]}'})
    assert listing(folder) == (
        [(f"{folder}/{split}/data-0.arrow!/row=1",) for split in ("test", "train")],
        {"other_kind": 3},
    )


@pytest.mark.parametrize(
    ("mark", "table"),
    [
        ("_delta_log/00000000000000000000.json", "a Delta Lake table"),
        ("metadata/00000-0c2c.metadata.json", "an Iceberg table"),
    ],
)
@pytest.mark.parametrize("below", ["", "sales/"])
def test_the_files_of_a_table_with_versions_are_not_read(
    folder: AnyPath, mark: str, table: str, below: str
) -> None:
    put(folder, {f"{below}{mark}": b"{}", f"{below}part-0.parquet": names(A)})
    with pytest.raises(InputError) as caught:
        listing(folder)
    place = f"{folder}/{below}".rstrip("/")
    assert str(caught.value).startswith(f"{place}: it is {table}, whose folder also holds")


def test_a_table_that_cannot_be_used_is_refused(folder: AnyPath) -> None:
    put(folder, {"a.csv": csv(A), "b.csv": b"url\ngs://x/b.jpg\n"})
    with pytest.raises(InputError) as caught:
        listing(folder)
    assert str(caught.value).startswith(f"{folder}/b.csv: no column `uri`")
    assert str(caught.value).endswith(
        f"To leave it out, name the other tables, such as {folder}/a.csv."
    )


def test_pictures_beside_tables_are_the_input(folder: AnyPath) -> None:
    put(folder, {"a.csv": csv(A), "b.jpg": _JPEG})
    assert listing(folder) == ([(f"{folder}/b.jpg",)], {"other_kind": 1})
    put(folder / "2", {"labels.csv": csv(A), "1": _JPEG})
    assert listing(folder / "2") == ([(f"{folder}/2/1",)], {"other_kind": 1})


def test_a_folder_without_images_and_tables_is_refused(folder: AnyPath) -> None:
    put(folder, {"README": b"text", "a.json": b"{}"})
    with pytest.raises(InputError) as caught:
        listing(folder)
    assert str(caught.value) == (
        f"{folder}: the folder holds no image; left out: 2 other_kind (such as {folder}/"
        "README). Check its name; pictures are known by their extension or content."
    )


def test_files_without_extensions_in_a_glob_are_read_by_content(folder: AnyPath) -> None:
    put(folder, {"part-1": f"{A}\n{B}\n".encode(), "part-2": C.encode()})
    assert listing(f"{folder}/part-*") == (
        [(A,), (B,), (C,)],
        {},
    )


@pytest.mark.parametrize("pattern", ["*.parquet", "**/*.parquet"])
def test_a_glob_may_match_folders_of_tables(folder: AnyPath, pattern: str) -> None:
    put(
        folder,
        {
            "a.parquet/part-0.parquet": names(A),
            "a.parquet/part-1.parquet": names(B),
            "a.parquet/_SUCCESS": b"",
            "c.parquet": names(C),
        },
    )
    images, left_out = listing(f"{folder}/{pattern}")
    assert sorted(images) == [(A,), (B,), (C,)]
    assert left_out == {"hidden": 1}


def test_a_glob_may_match_folders_whose_names_show_no_kind(folder: AnyPath) -> None:
    put(folder, {"t1/a.parquet": names(A), "t1/_SUCCESS": b"", "t2/b.csv": csv(B)})
    assert listing(f"{folder}/t*") == ([(A,), (B,)], {"hidden": 1})


def test_what_a_glob_matches_is_excluded(folder: AnyPath) -> None:
    put(folder, {"a.jpg": _JPEG, "a_mask.jpg": _JPEG, "old/b.jpg": _JPEG, "@eaDir/c.jpg": _JPEG})
    images, left_out = listing(f"{folder}/*", exclude=("*_mask.jpg", "old"))
    assert images == [(f"{folder}/a.jpg",)]
    assert left_out == {"excluded": 3}


def test_every_file_is_read_or_counted(folder: AnyPath) -> None:
    files = {
        "a.parquet": names(A),
        "b.parquet": names(B, C),
        "c.csv": b"x\n",
    }
    marks = {"_SUCCESS": b"", ".x": b"1", "d.mp4": b"1", "e.zip": b"1", "f.pdf": b"%PDF-"}
    put(folder, files | marks)
    images, left_out = listing(folder)
    assert Counter(images) == Counter([(A,), (B,), (C,)])
    assert left_out == {"hidden": 2, "video": 1, "archive": 1, "other_kind": 2}
