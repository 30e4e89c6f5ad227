import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.images.errors import InputError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import buckets
from imagebeam.images.listing.columns import extra_columns
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.names import NameRules
from imagebeam.images.listing.objects_beside import ObjectsBeside
from imagebeam.images.listing.path_columns import available, values
from imagebeam.storage import ObjectInfo, Settings, store_for, tfrecord
from imagebeam.storage.errors import Denied, Missing
from imagebeam.storage.local import LocalStore
from tests.images.containers.archives import RawEntry, raw_zip, tar, zipped
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
def test_values_are_read_from_a_path(
    path: str, columns: list[str], expected: tuple[str | None, ...]
) -> None:
    assert values(path, columns) == expected


def test_missing_partitions_are_refused() -> None:
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


def test_a_row_without_bytes_names_a_file(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [
        {"bytes": b"\x89PNG", "path": "a.png"},
        {"bytes": None, "path": "b.png"},
        {"bytes": None, "path": None},
        None,
        {"bytes": None, "path": "data:image/png,x"},
    ]
    table = pa.table({"image": pa.array(rows, kind), "label": [1, 2, 3, 4, 5]})
    file = tmp_path / "t.parquet"
    pq.write_table(table, file, row_group_size=2)
    [source] = sources([str(file)], keep=["label"])
    found = [(each.uri, each.error and each.error.code, each.extra_columns) for each in source]
    assert found == [
        (f"{file}!/row=1", None, (1,)),
        (f"{tmp_path}/b.png", None, (2,)),
        (f"{file}!/row=3", None, (3,)),
        (f"{file}!/row=4", None, (4,)),
        (f"{file}!/row=5", "bad_entry", (5,)),
    ]
    rules = ListingRules(entries=EntryRules(root=str(tmp_path / "in")))
    [source] = sources([str(file)], rules=rules)
    named = list(source)[1]
    assert (named.uri, named.location) == ("b.png", ImageLocation(f"{tmp_path}/in/b.png"))


def test_a_table_of_paths_without_any_bytes_names_the_files(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": None, "path": f"{number}.png"} for number in range(40)]
    pq.write_table(pa.table({"image": pa.array(rows, kind)}), tmp_path / "t.parquet")
    [source] = sources([str(tmp_path / "t.parquet")])
    assert [each.uri for each in source] == [f"{tmp_path}/{number}.png" for number in range(40)]


def packed_tar(members: list[tuple[str, bytes]]) -> bytes:
    """Return a tar whose members may have the same name."""
    blocks = b"".join(
        tar({name: data})[: 512 * (1 + -(-len(data) // 512))] for name, data in members
    )
    return blocks + bytes(1024)


def packed_zip(members: list[tuple[str, bytes]]) -> bytes:
    """Return a zip whose members may have the same name."""
    return raw_zip(*(RawEntry(name.encode(), data) for name, data in members))


class TestValuesInArchives:
    def test_files_beside_an_image_in_a_tar_are_kept(self, tmp_path: Path) -> None:
        content = {
            "x/0001.cls": b"7\n",
            "x/0001.jpg": b"1",
            "x/0001.json": b'{"label": "cat", "boxes": [1, 2], "a": {"b": true}}',
            "x/0002.jpg": b"2",
            "x/0002.txt": "ü".encode(),
            "x/0002.Cls": b"8",
            "x/0003.jpg": b"3",
        }
        (tmp_path / "a.tar").write_bytes(tar(content))
        assert kept(
            tmp_path / "a.tar", "cls", "json.label", "json.boxes", "json.a.b", "folder"
        ) == [
            ("7", "cat", "[1, 2]", "true", "x"),
            ("8", None, None, None, "x"),
            (None, None, None, None, "x"),
        ]
        assert kept(tmp_path / "a.tar", "txt") == [(None,), ("ü",), (None,)]

    @pytest.mark.parametrize("suffix", [".tar.gz", ".tar"])
    def test_a_tar_in_a_tar_has_its_own(self, tmp_path: Path, suffix: str) -> None:
        inner = tar({"1.jpg": b"1", "1.cls": b"3"}, "w:gz" if suffix == ".tar.gz" else "w")
        outer = {"a.cls": b"9", f"a{suffix}": inner, "b.jpg": b"2", "b.cls": b"4"}
        (tmp_path / "o.tar").write_bytes(tar(outer))
        assert kept(tmp_path / "o.tar", "cls") == [("3",), ("4",)]

    def test_members_before_damage_have_their_values(self, tmp_path: Path) -> None:
        data = tar({"1.jpg": b"1", "1.cls": b"3", "2.jpg": b"2"})
        (tmp_path / "a.tar").write_bytes(data[: 4 * 512 + 100])
        assert kept(tmp_path / "a.tar", "cls") == [("3",), (None,)]

    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            ("json.a", b"{", "the .json beside it is not valid JSON"),
            ("cls", b"\xff\xfe\xfd", "`.cls`, which is to be kept, is not UTF-8 text"),
            ("txt", b"x" * 1_000_001, "`.txt`, which is to be kept, has more than 1,000,000 bytes"),
        ],
    )
    def test_a_bad_value_costs_its_image(
        self, tmp_path: Path, name: str, data: bytes, reason: str
    ) -> None:
        extension = name.partition(".")[0]
        good = b'{"a": "x"}' if extension == "json" else b"x"
        content = {"1.jpg": b"", f"1.{extension}": good, "2.jpg": b"", f"2.{extension}": data}
        (tmp_path / "a.tar").write_bytes(tar(content))
        [source] = sources([str(tmp_path / "a.tar")], keep=[name])
        first, second = source
        assert (first.error, first.extra_columns) == (None, ("x",))
        assert second.extra_columns == (None,)
        assert str(second.error).startswith(reason)

    def test_archives_of_a_glob_keep_their_values(self, tmp_path: Path) -> None:
        for number in range(2):
            content = {"in/1.jpg": b"1", "in/1.cls": str(number).encode()}
            (tmp_path / f"{number}.tar").write_bytes(tar(content))
        assert kept(tmp_path / "*.tar", "cls", "folder") == [("0", "in"), ("1", "in")]

    def test_files_beside_images_in_a_zip_are_kept_in_any_order(self, tmp_path: Path) -> None:
        content = {
            "in/2.txt": "ü".encode(),
            "in/1.jpg": b"1",
            "in/1.json": b'{"label": 3}',
            "in/2.jpg": b"2",
            "in/2.json": b"{}",
            "in/1.v2.TXT": b"two dots",
            "in/1.v2.jpg": b"3",
            "out/1.txt": b"elsewhere",
        }
        (tmp_path / "a.zip").write_bytes(zipped(content))
        expected = [("3", None, "in"), (None, "ü", "in"), ("3", "two dots", "in")]
        assert kept(tmp_path / "a.zip", "json.label", "txt", "folder") == expected

    @pytest.mark.parametrize("pack", [packed_tar, packed_zip])
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            # Two archives, one after the other.
            (["a.jpg", "a.txt=1", "a.jpg", "a.txt=2"], ["1", "2"]),
            (["a.txt=1", "a.jpg", "a.txt=2", "a.jpg"], ["1", "2"]),
            # A file that was replaced.
            (["a.jpg", "a.txt=1", "a.txt=2"], ["2"]),
            # Folders tell names apart.
            (["a/1.jpg", "a/1.txt=1", "b/1.jpg", "b/1.txt=2"], ["1", "2"]),
            (["1.jpg", "1.png", "1.txt=1", "2.jpg"], ["1", "1", None]),
            # The name of the image, with and without its own extension.
            (["v.1.jpg", "v.1.txt=1", "v.2.jpg", "v.2.txt=2", "v.3.jpg"], ["1", "2", None]),
            (["1.jpg", "1.jpg.txt=1", "1.png", "1.png.TXT=2"], ["1", "2"]),
            (["1.txt=0", "1.left.jpg", "1.right.jpg", "1.right.txt=2"], ["0", "2"]),
        ],
    )
    def test_repeated_names(
        self,
        tmp_path: Path,
        pack: Callable[[list[tuple[str, bytes]]], bytes],
        content: list[str],
        expected: list[str | None],
    ) -> None:
        members = [each.partition("=") for each in content]
        (tmp_path / "a").write_bytes(pack([(name, text.encode()) for name, _, text in members]))
        assert kept(tmp_path / "a", "txt") == [(text,) for text in expected]

    def test_a_sample_of_many_images_in_a_tar_is_read_in_parts(self, tmp_path: Path) -> None:
        numbers = [f"{number:04}" for number in range(1203)]
        content = {"v.txt": b"all"}
        for number in numbers:
            content |= {f"v.{number}.txt": number.encode(), f"v.{number}.jpg": b""}
        (tmp_path / "a.tar").write_bytes(tar({**content, "v.jpg": b""}))
        assert kept(tmp_path / "a.tar", "txt") == [*((number,) for number in numbers), ("all",)]

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            # As `zip -r` sorts, and with a picture that was added later.
            (["a.jpg", "a.jpg", "a.txt=1", "a.txt=2"], ["1", "2"]),
            (["a.jpg", "a.txt=1", "b.jpg", "a.jpg"], ["1", None, "1"]),
            (["a.jpg", "b.jpg", "a.txt=1", "b.txt=3", "a.txt=2"], ["2", "3"]),
        ],
    )
    def test_repeated_names_in_a_zip_in_any_order(
        self, tmp_path: Path, content: list[str], expected: list[str | None]
    ) -> None:
        members = [each.partition("=") for each in content]
        data = packed_zip([(name, text.encode()) for name, _, text in members])
        (tmp_path / "a.zip").write_bytes(data)
        assert kept(tmp_path / "a.zip", "txt") == [(text,) for text in expected]

    def test_a_zip_in_a_tar_has_its_own(self, tmp_path: Path) -> None:
        inner = zipped({"1.jpg": b"1", "1.cls": b"3"})
        outer = {"a.cls": b"9", "a.zip": inner, "b.jpg": b"2", "b.cls": b"4"}
        (tmp_path / "o.tar").write_bytes(tar(outer))
        assert kept(tmp_path / "o.tar", "cls") == [("3",), ("4",)]

    def test_images_of_a_zip_before_damage_have_their_values(self, tmp_path: Path) -> None:
        data = bytearray(zipped({"1.jpg": b"1", "1.cls": b"3", "2.jpg": b"2", "2.cls": b"4"}))
        at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
        at = data.index(b"PK\1\2", data.index(b"PK\1\2", at + 4) + 4)
        data[at] ^= 0xFF
        (tmp_path / "a.zip").write_bytes(data)
        # The last one is the row about the damage.
        assert kept(tmp_path / "a.zip", "cls") == [("3",), (None,), (None,)]

    def test_files_beside_images_in_a_folder_are_kept(self, tmp_path: Path) -> None:
        for name, text in (
            ("x/1.jpg", ""),
            ("x/1.txt", "a cat\n"),
            ("x/2.v1.jpg", ""),
            ("x/2.v1.txt", "two"),
            ("x/4.jpg", ""),
            ("x/4.jpg.TXT", "four"),
            ("y/3.jpg", ""),
        ):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        (tmp_path / "y/3.folder").write_text("no")
        os.mkfifo(tmp_path / "y/3.txt")
        expected = [("a cat", "x"), ("two", "x"), ("four", "x"), (None, "y")]
        assert kept(tmp_path, "txt", "folder") == expected
        assert kept(tmp_path / "*", "txt", "folder") == expected
        assert kept(tmp_path, "folder") == [("x",), ("x",), ("x",), ("y",)]
        with pytest.raises(InputError, match="no value 'cls' to keep with its first 4 images"):
            kept(tmp_path, "txt", "cls")

    def test_a_bad_file_beside_an_image_in_a_folder_costs_the_image(self, tmp_path: Path) -> None:
        for number, data in ((1, b"good"), (2, b"\xff\xff"), (3, b"x" * 1_000_001)):
            (tmp_path / f"{number}.jpg").touch()
            (tmp_path / f"{number}.txt").write_bytes(data)
        [source] = sources([str(tmp_path)], keep=["txt"])
        first, *bad = source
        assert (first.error, first.extra_columns) == (None, ("good",))
        assert [str(each.error).partition(",")[0] for each in bad] == ["`.txt`"] * 2
        assert {each.extra_columns for each in bad} == {(None,)}

    def test_objects_beside_images_in_a_bucket_are_kept(self, s3_bucket: str) -> None:
        store = store_for(s3_bucket)
        for name, data in {
            "x/1.jpg": b"",
            "x/1.txt": b"a cat\n",
            "x/2.v1.jpg": b"",
            "x/2.v1.txt": b"two",
            "x/2.v2.jpg": b"",
            "x/2.txt": b"second",
            "y/3.jpg": b"",
            "y/4.jpg": b"",
            "y/4.txt": b"\xff",
            "y/5.jpg": b"",
            "y/5.txt": b"x" * 1_000_001,
        }.items():
            store.write(f"{s3_bucket}/beside/{name}", data)
        expected = [("a cat", "x"), ("two", "x"), ("second", "x"), (None, "y")]
        for text in (f"{s3_bucket}/beside/", f"{s3_bucket}/beside/**/*.jpg"):
            [source] = sources([text], keep=["txt", "folder"])
            *good, no_text, too_large = source
            assert [each.error for each in good] == [None] * 4
            assert [each.extra_columns for each in good] == expected
            assert "`.txt`, which is to be kept, is not UTF-8 text" in str(no_text.error)
            assert str(too_large.error) == (
                "`5.txt`, which is to be kept, has more than 1,000,000 bytes"
            )
            assert {each.extra_columns for each in (no_text, too_large)} == {(None, None)}

    def test_only_objects_beside_images_that_exist_are_read(self) -> None:
        read: list[str] = []

        class Bucket(LocalStore):
            def list(self, prefix: str) -> Iterator[ObjectInfo]:
                yield from (ObjectInfo(f"s3://b/{name}", 1, "1") for name in names)
                raise Denied("no further")

            def read(self, uri: str, max_bytes: int, *_: Any, **__: Any) -> bytes:
                read.append(uri)
                if uri == "s3://b/7.txt":
                    raise Missing("it was removed")
                return uri.encode()

        def kept_values(columns: Sequence[str]) -> list[tuple[Any, ...]]:
            store = ObjectsBeside(Bucket(Settings()), columns, 4)
            infos = buckets.walk(store, "s3://b", NameRules(), LeftOut())
            listed = (ListedImage(info.uri, ImageLocation(info.uri)) for info in infos)
            found: list[tuple[Any, ...]] = []
            with pytest.raises(Denied):
                found.extend(each.extra_columns for each in store.added(listed))
            return found

        names = [f"{number}.jpg" for number in range(20)]
        names = sorted([*names, "3.txt", "7.txt", "9.TXT"])
        texts = dict.fromkeys(range(20)) | {3: "s3://b/3.txt", 9: "s3://b/9.TXT"}
        order = [int(name[:-4]) for name in names if name.endswith(".jpg")]
        assert kept_values(["txt"]) == [(texts[number],) for number in order]
        assert sorted(read) == ["s3://b/3.txt", "s3://b/7.txt", "s3://b/9.TXT"]
        # Too many names that are the same up to the first dot: each one is requested.
        names = sorted(
            f"film.{number:04d}.{end}" for number in range(600) for end in ("jpg", "txt")
        )
        assert kept_values(["txt"]) == [(f"s3://b/film.{number:04d}.txt",) for number in range(600)]

    def test_a_column_without_a_value_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(tar({"1.jpg": b"1", "1.cls": b"3"}))
        with pytest.raises(InputError, match="no value 'txt' to keep with its first 1 images"):
            kept(tmp_path / "a.tar", "cls", "txt")

    def test_features_of_records_are_kept(self, tmp_path: Path) -> None:
        def record(**values: Any) -> bytes:
            made = tfrecord.Example()
            made.features.feature["image/encoded"].bytes_list.value.append(b"\x89PNG")
            for name, value in values.items():
                feature = made.features.feature[name]
                kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
                getattr(feature, kind[type(value[0])]).value.extend(value)
            return bytes(made.SerializeToString())

        with (tmp_path / "a.tfrecord").open("wb") as file:
            tfrecord.write(file, record(label=[-3], text=["ü".encode()], box=[0.1, 0.5]))
            tfrecord.write(file, record(label=[1, 2]))
            tfrecord.write(file, record(text=[b"\xff"]))
        [source] = sources([str(tmp_path / "a.tfrecord")], keep=["label", "text", "box"])
        first, second, third = source
        assert first.extra_columns == ("-3", "ü", "[0.1, 0.5]")
        assert second.extra_columns == ("[1, 2]", None, None)
        assert third.extra_columns == (None, None, None)
        assert str(third.error) == "`text`, which is to be kept, is not UTF-8 text"

    def test_partitions_of_tables_are_kept(self, tmp_path: Path) -> None:
        for year, name in (("2023", "a.jpg"), ("2024", "b.jpg")):
            (tmp_path / f"t/year={year}").mkdir(parents=True)
            table = pa.table({"uri": [name], "id": [1]})
            pq.write_table(table, tmp_path / f"t/year={year}/part-0.parquet")
        (tmp_path / "t/year=2024/z.csv").write_text("uri,id\nc.jpg,5\n")
        assert kept(tmp_path / "t/*/*.parquet", "year", "id") == [("2023", 1), ("2024", 1)]
        assert kept(tmp_path / "t/year=2024/z.csv", "id", "year") == [("5", "2024")]
        for folder in ("t/year=__HIVE_DEFAULT_PARTITION__", "t/year=a%20b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "z.csv").write_text("uri,id\nc.jpg,5\n")
            expected = None if "HIVE" in folder else "a b"
            assert kept(tmp_path / folder / "z.csv", "year", "id") == [(expected, "5")]
        with pytest.raises(InputError, match="no column 'nope' to keep; it has 'uri', 'id'"):
            kept(tmp_path / "t", "nope")
        images = pa.table({"image": [b"\x89PNG"], "label": [4]})
        pq.write_table(images, tmp_path / "t/year=2024/images.parquet")
        assert kept(tmp_path / "t/year=2024/images.parquet", "year", "label") == [("2024", 4)]


def kept(path: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Return the values of all images and errors that have some."""
    found = sources([str(path)], keep=columns)
    return [each.extra_columns for source in found for each in source if each.extra_columns]
