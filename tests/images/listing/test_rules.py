"""Test the options of listing."""

import bz2
import gzip
import json
import lzma
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing.braces import expand_braces
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.entries import shown
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.names import NameRules
from imagebeam.images.listing.sources import Source
from imagebeam.images.settings import Access
from imagebeam.storage import Settings
from tests.images.containers.archives import example, tar, tfrecords, zipped
from tests.images.encoding import encode, smooth
from tests.images.listing.test_folders import tree
from tests.storage.web import Site, stored

_PROGRAM = b"MZ" + bytes(62) + b"PE\0\0" + bytes(40)


def listed(*names: Path | str, entries: EntryRules | None = None) -> list[tuple[str, str | None]]:
    """Return the URI and the error code of each image of the inputs."""
    rules = ListingRules(entries=entries or EntryRules())
    found = sources([*map(str, names)], rules=rules)
    images = [each for source in found for each in source]
    return [(each.uri, each.error.code if each.error else None) for each in images]


def gunzipped(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def refusal(*names: Path | str, entries: EntryRules | None = None) -> str:
    with pytest.raises(InputError) as caught:
        listed(*names, entries=entries)
    return str(caught.value)


class TestEntries:
    def test_another_column_can_hold_the_names(self, tmp_path: Path) -> None:
        rules = EntryRules(uri_column="file_name")
        (tmp_path / "a.csv").write_text("file_name,uri\na.jpg,b.jpg\n")
        (tmp_path / "b.jsonl").write_text('{"file_name": "c.jpg"}\n')
        pq.write_table(pa.table({"file_name": ["d.jpg"]}), tmp_path / "c.parquet")
        names = [tmp_path / name for name in ("a.csv", "b.jsonl", "c.parquet")]
        assert listed(*names, entries=rules) == [
            (str(tmp_path / name), None) for name in ("a.jpg", "c.jpg", "d.jpg")
        ]

    @pytest.mark.parametrize(
        "entry", ['"https://h/a.jpg"', "<http://h/1>", "1 http://h/a", "http:/h/a"]
    )
    def test_an_address_that_is_not_alone_is_no_missing_file(
        self, tmp_path: Path, entry: str
    ) -> None:
        path = tmp_path / "a.txt"
        path.write_text(f"{entry}\n")
        [source] = sources([str(path)])
        [found] = source
        assert (found.uri, str(found.error)) == (
            f"{path}#line=1",
            f"{entry!r} is neither a file nor an address. Write the address alone, without quotes",
        )
        tree(tmp_path, entry)
        assert [error for _, error in listed(path)] == [None]

    def test_digests_of_manifests_are_kept_for_the_reader(self, tmp_path: Path) -> None:
        md5, sha = "0" * 32, "a" * 64
        (tmp_path / "a.csv").write_text(f"uri,d\na.jpg,{md5}\nb.jpg,\nc.tar,{md5}\n")
        (tmp_path / "b.jsonl").write_text(
            json.dumps({"uri": "d.jpg", "d": sha}) + '\n{"uri": "f.jpg"}'
        )
        pq.write_table(pa.table({"uri": ["e.jpg"], "d": [bytes(20)]}), tmp_path / "c.parquet")
        names = [str(tmp_path / name) for name in ("a.csv", "b.jsonl", "c.parquet")]
        rules = ListingRules(entries=EntryRules(digest_column="d"))
        found = sources(names, rules=rules)
        rows = [
            each.location.digest if isinstance(each.location, ImageLocation) else str(each.error)
            for source in found
            for each in source
        ]
        assert rows == [
            f"md5:{md5}",
            "`d` is '', not a digest (MD5, SHA-1 or SHA-2)",
            "an archive, whose digest is not compared. Leave it out, or leave out --check-digest",
            f"sha256:{sha}",
            "`d` is None, not a digest (MD5, SHA-1 or SHA-2)",
            f"sha1:{bytes(20).hex()}",
        ]
        found = sources([names[0]], rules=rules, keep=["d"])
        kept = [each.extra_columns for source in found for each in source]
        assert kept == [(md5,), ("",), (md5,)]

    def test_a_manifest_without_the_column_of_digests_is_refused(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.jpg")
        (tmp_path / "a.csv").write_text("uri,x\na.jpg,1\n")
        (tmp_path / "a.txt").write_text("a.jpg\n")
        rules = EntryRules(digest_column="d")
        expected = "no column 'd' for --check-digest; it has"
        assert f"a.csv: {expected} 'uri', 'x'." in refusal(tmp_path / "a.csv", entries=rules)
        assert f"a.txt: {expected} no columns." in refusal(tmp_path / "a.txt", entries=rules)
        assert refusal(tmp_path, entries=rules) == (
            "--check-digest d: no input is a manifest, which states digests. Name one, or leave "
            "the option out."
        )

    def test_names_start_at_the_root_and_are_not_changed(self, tmp_path: Path) -> None:
        tree(tmp_path, "images/x/a.jpg")
        (tmp_path / "list.csv").write_text(f"uri\n x/a.jpg\n{tmp_path}/b.jpg\n")
        entries = EntryRules(root=str(tmp_path / "images"))
        [source] = sources([str(tmp_path / "list.csv")], rules=ListingRules(entries=entries))
        assert [(each.uri, each.location) for each in source] == [
            ("x/a.jpg", ImageLocation(str(tmp_path / "images" / "x/a.jpg"))),
            (f"{tmp_path}/b.jpg", ImageLocation(f"{tmp_path}/b.jpg")),
        ]

    def test_members_of_an_archive_below_the_root_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.tar").write_bytes(tar({"a.jpg": b"1"}))
        (tmp_path / "list.txt").write_text("a.tar\n")
        entries = EntryRules(root=str(tmp_path / "in"))
        assert listed(tmp_path / "list.txt", entries=entries) == [("a.tar!/a.jpg", None)]

    def test_a_template_makes_names(self, tmp_path: Path) -> None:
        (tmp_path / "list.csv").write_text("id\n0001\n0002\n")
        entries = EntryRules(uri_column="id", template="train/{}.jpg")
        assert [uri for uri, _ in listed(tmp_path / "list.csv", entries=entries)] == [
            f"{tmp_path}/train/000{number}.jpg" for number in (1, 2)
        ]

    def test_a_manifest_from_elsewhere_stays_below_a_local_root(self, tmp_path: Path) -> None:
        from imagebeam.images.errors import UnsupportedScheme
        from imagebeam.images.listing.manifests.entry_addresses import resolve

        rules = EntryRules(root=str(tmp_path))
        inside = resolve("x/a.jpg", "gs://b/list.csv", str(tmp_path), rules)
        assert inside == (f"{tmp_path}/x/a.jpg", "x/a.jpg")
        for entry in ("../a.jpg", "/etc/a.jpg", "x/../../a.jpg"):
            with pytest.raises(UnsupportedScheme):
                resolve(entry, "gs://b/list.csv", str(tmp_path), rules)

    @pytest.mark.parametrize(
        "entry", ["data:image/png;base64,AAAA", "//host/a.jpg", "a\0.jpg", "x" * 5000, "  "]
    )
    def test_values_that_are_not_names_are_errors(self, tmp_path: Path, entry: str) -> None:
        (tmp_path / "list.jsonl").write_text(json.dumps({"uri": entry}) + '\n"b.jpg"\n')
        assert listed(tmp_path / "list.jsonl") == [
            (f"{tmp_path}/list.jsonl#line=1", "bad_entry"),
            (f"{tmp_path}/b.jpg", None),
        ]

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            ("*.jpg", "is a glob, which manifests do not expand. Name it as INPUT, in quotes"),
            ("'a.jpg'", "is in quotes. Write the name alone, without them"),
            ('"b/a.jpg"', "is in quotes. Write the name alone, without them"),
            ("C:\\a.jpg", "is a path of Windows. Write where this machine finds the file, or a"),
            ("\\\\nas\\a.jpg", "is a path of Windows. Write where this machine finds the file"),
            ("file://nas/a.jpg", "names a machine, not a file of this one. Write file:/// before"),
            ("~/a.jpg", "begins as in a shell. Write the whole path"),
            ("${HOME}/a.jpg", "begins as in a shell. Write the whole path"),
            ("a.zip!/b.jpg", "is inside an archive. Name the archive; all its images are read"),
        ],
    )
    def test_what_no_file_is_called_is_an_error_with_a_reason(
        self, tmp_path: Path, entry: str, reason: str
    ) -> None:
        (tmp_path / "list.txt").write_text(f"{entry}\n")
        [source] = sources([str(tmp_path / "list.txt")])
        [found] = source
        assert str(found.error).startswith(f"{shown(entry)} {reason}")
        path = tmp_path / uris.to_path(entry)
        tree(path.parent, path.name)
        assert [error for _, error in listed(tmp_path / "list.txt")] == [None]

    def test_backslashes_are_slashes_if_such_a_file_exists(self, tmp_path: Path) -> None:
        tree(tmp_path, "a/b.jpg", "a\\c.jpg")
        (tmp_path / "list.txt").write_text("a\\b.jpg\na\\c.jpg\na\\d.jpg\n")
        assert [uri for uri, _ in listed(tmp_path / "list.txt")] == [
            *(f"{tmp_path}/a/b.jpg", f"{tmp_path}/a\\c.jpg", f"{tmp_path}/a\\d.jpg"),
        ]

    @pytest.mark.parametrize(
        ("content", "column"),
        [
            ("uri,x\na.jpg,1\n", None),
            ("x\tfile\n1\ta.jpg\n", "file"),
            ('{"uri": "a.jpg"}\n', None),
            ('["a.jpg"]', None),
            ('[\n"a.jpg"\n]\n', None),
        ],
    )
    def test_a_table_on_standard_input_is_recognised_by_content(
        self, tmp_path: Path, content: str, column: str | None
    ) -> None:
        (tmp_path / "stdin.txt").write_text(content)
        rules = ListingRules(entries=EntryRules(uri_column=column, root=str(tmp_path)))
        [source] = sources(["-"], stdin_copy=tmp_path / "stdin.txt", rules=rules)
        assert [(each.uri, each.error) for each in source] == [("a.jpg", None)]

    def test_names_that_look_like_tables_are_names(self, tmp_path: Path) -> None:
        names = ["[1]", "uri", "a,b.jpg"]
        for name in names:
            (tmp_path / "list.txt").write_text(f"{name}\n")
            assert listed(tmp_path / "list.txt") == [(f"{tmp_path}/{name}", None)]

    def test_numbers_are_names(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
        (tmp_path / "b.jsonl").write_text('{"id": 2}\n{"id": true}\n')
        rules = EntryRules(uri_column="id", template="{}.jpg")
        assert listed(tmp_path / "a.parquet", tmp_path / "b.jsonl", entries=rules) == [
            (f"{tmp_path}/1.jpg", None),
            (f"{tmp_path}/2.jpg", None),
            (f"{tmp_path}/b.jsonl#line=2", "bad_entry"),
        ]

    def test_globs_leave_out_entries_of_manifests(self, tmp_path: Path) -> None:
        (tmp_path / "list.txt").write_text("a/raw/b.jpg\nraw/c.jpg\nd_mask.png\ne.jpg\n")
        for globs in (("raw", "*_mask.png"), ("**/raw/**", "*_mask.png")):
            [source] = sources([str(tmp_path / "list.txt")], rules=ListingRules(NameRules(globs)))
            found = LeftOut()
            assert [each.uri for each in source.images(found)] == [f"{tmp_path}/e.jpg"]
            assert found.take()["excluded"].entries == 3

    def test_surrounding_blanks_are_kept_only_if_a_file_has_them(self, tmp_path: Path) -> None:
        tree(tmp_path, " a.jpg ")
        (tmp_path / "list.txt").write_text(" a.jpg \n b.jpg\n  https://host/c.jpg \n")
        assert [uri for uri, _ in listed(tmp_path / "list.txt")] == [
            *(f"{tmp_path}/ a.jpg ", f"{tmp_path}/b.jpg", "https://host/c.jpg"),
        ]

    def test_marks_of_joined_files_are_no_part_of_a_name(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.jpg", "b.jpg", "\ufeffc.jpg")
        (tmp_path / "l.txt").write_text("\ufeffa.jpg\n\ufeffb.jpg\n\ufeffc.jpg\n")
        assert listed(tmp_path / "l.txt") == [
            (f"{tmp_path}/a.jpg", None),
            (f"{tmp_path}/b.jpg", None),
            (f"{tmp_path}/\ufeffc.jpg", None),
        ]

    def test_an_archive_without_an_image_is_counted(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(tar({"a.txt": b"1"}))
        (tmp_path / "b.zip").write_bytes(zipped({}))
        (tmp_path / "list.txt").write_text("a.tar\nb.zip\nc.jpg\n")
        left_out = LeftOut()
        source = Source("manifest", (str(tmp_path / "list.txt"),), str(tmp_path))
        assert [each.uri for each in source.images(left_out)] == [f"{tmp_path}/c.jpg"]
        assert left_out.take() == {
            "empty_archive": (1, (f"{tmp_path}/b.zip",)),
            "other_kind": (1, (f"{tmp_path}/a.tar!/a.txt",)),
        }


class TestInputs:
    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("a-{000..002}.tar", ["a-000.tar", "a-001.tar", "a-002.tar"]),
            ("{9..11}", ["9", "10", "11"]),
            ("{2..0}", ["2", "1", "0"]),
            ("{a,b}/{1..2}.jpg", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]),
            ("{a..c}.tar", ["a.tar", "b.tar", "c.tar"]),
            ("{C..A}", ["C", "B", "A"]),
            ("{a..C}", ["{a..C}"]),
            ("{a..bc}", ["{a..bc}"]),
            ("{a}", ["{a}"]),
            ("a{}b", ["a{}b"]),
        ],
    )
    def test_braces_are_expanded(self, pattern: str, names: list[str]) -> None:
        assert expand_braces(pattern) == names

    def test_a_number_with_too_many_digits_is_no_range(self) -> None:
        pattern = f"{{1..{'9' * 5_000}}}.tar"
        assert expand_braces(pattern) == [pattern]

    @pytest.mark.parametrize("pattern", ["{0..999999999}", "{0..999}{0..999}"])
    def test_too_many_names_in_braces_are_refused(self, pattern: str) -> None:
        with pytest.raises(InputError, match="more than 100,000 names"):
            expand_braces(pattern)

    def test_at_least_one_glob_in_braces_must_match(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.jpg", "{x,y}.png")
        assert listed(f"{tmp_path}/*.{{jpg,gif}}") == [(f"{tmp_path}/a.jpg", None)]
        assert listed(f"{tmp_path}/{{x,y}}.png") == [(f"{tmp_path}/{{x,y}}.png", None)]
        assert "*.gif: the glob matches no image" in refusal(f"{tmp_path}/*.{{gif,bmp}}")

    def test_the_first_archive_of_a_glob_can_be_damaged_or_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(b"rubbish" * 200)
        (tmp_path / "b.tar").write_bytes(tar({}))
        (tmp_path / "c.tar").write_bytes(tar({"a.jpg": b"1"}))
        assert listed(f"{tmp_path}/*.tar") == [
            (f"{tmp_path}/a.tar", "archive_damaged"),
            (f"{tmp_path}/c.tar!/a.jpg", None),
        ]
        (tmp_path / "c.tar").unlink()
        assert refusal(f"{tmp_path}/*.tar").startswith(f"{tmp_path}/a.tar: ")

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("list", b'["a.jpg"]'),
            ("list", b'{"uri": "a.jpg"}\n'),
            ("list.dat", b"id,uri\n1,a.jpg\n"),
            ("list", b"a.jpg\n\n"),
            ("list", b"./a.jpg\r\n"),
            ("list.gz", gzip.compress(b'["a.jpg"]')),
            ("list.zst", zstandard.compress(b"id,uri\n1,a.jpg\n")),
            ("list.bz2", bz2.compress(b'{"uri": "a.jpg"}\n')),
            ("list.xz", lzma.compress(b"a.jpg")),
            ("list.csv.gz", gzip.compress(b"uri\na.jpg\n")),
        ],
    )
    def test_manifests_are_recognised_by_content(
        self, tmp_path: Path, name: str, content: bytes
    ) -> None:
        (tmp_path / name).write_bytes(content)
        assert listed(tmp_path / name) == [(f"{tmp_path}/a.jpg", None)]

    def test_a_list_of_addresses_is_recognised_by_content(self, tmp_path: Path) -> None:
        addresses = ["https://example.org/1", "gs://bucket/2"]
        (tmp_path / "list").write_text("\n".join(addresses))
        assert listed(tmp_path / "list") == [(address, None) for address in addresses]

    def test_archives_and_pictures_are_recognised_by_content(self, tmp_path: Path) -> None:
        (tmp_path / "download").write_bytes(tar({"a.jpg": b"1"}))
        (tmp_path / "archive.bin").write_bytes(zipped({"a.jpg": b"1"}))
        (tmp_path / "setup.exe").write_bytes(_PROGRAM + zipped({"a.jpg": b"1"}))
        (tmp_path / "setup.run").write_bytes(b"#!/bin/sh\n" + zipped({"a.jpg": b"1"}))
        (tmp_path / "picture").write_bytes(b"\x89PNG")
        names = [tmp_path / name for name in ("download", "archive.bin", "setup.exe", "setup.run")]
        assert [uri for uri, _ in listed(*names, tmp_path / "picture")] == [
            *(f"{name}!/a.jpg" for name in names),
            str(tmp_path / "picture"),
        ]

    def test_web_addresses_without_an_extension_are_recognised_by_content(self) -> None:
        with Site().running() as web:
            web.add("/archive?id=1", stored(zipped({"a.jpg": b"1"})))
            web.add("/list", stored(b"b.jpg\n"))
            web.add("/picture", stored(encode(smooth(8, 8), "JPEG")))
            web.add("/folder/", stored(b"<html>"))
            host = f"http://127.0.0.1:{web.port}"
            access = Access(Settings(allow_private_hosts=True))
            names = ["archive?id=1", "list", "picture", "gone"]
            found = sources([f"{host}/{name}" for name in names], access=access)
            assert [each.uri for source in found for each in source] == [
                *(f"{host}/archive?id=1!/a.jpg", f"{host}/b.jpg"),
                *(f"{host}/picture", f"{host}/gone"),
            ]
            with pytest.raises(InputError, match="/folder/: it is a web page, and not the file"):
                sources([f"{host}/folder/"], access=access)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive. Unpack it"),
            (b"Rar!\x1a\x07\x01", "a RAR archive. Unpack it"),
            (_PROGRAM, "it is a program. If it unpacks itself, run it and name the folder."),
            (lzma.compress(b"x", lzma.FORMAT_ALONE), "it is compressed by lzma. Decompress it."),
            (b"!<arch>\ndebian", "it is an archive of `ar`, such as a package. Unpack it"),
            (b"PK\7\x08PK\3\4", "it is one part of a split zip. Join the parts: `zip -s 0"),
            (b"#!/bin/sh\n", "it is a program. If it unpacks itself, run it"),
            (b"\x1f\x9d\x90abc", "compressed by `compress`. Decompress it"),
            (b"\x0a\x23\xd7\xce\0", "a RecordIO file of MXNet. Write its pictures to files."),
            (bytes(16) + b"\xde\xc0\xef\xbe", "an LMDB database. Write its pictures to files."),
            (b"\0\0\0\x18ftypmp42" + bytes(40), "it is a video, not a picture. Leave it out"),
            (b"some text\n", "it is text, but its name does not tell the format"),
            (b"\0\1\2\3" * 20, "not a picture, an archive or a manifest"),
            # A list of pairs.
            (b"a.jpg,b.jpg\n", "it is text, but its name does not tell the format"),
            (
                lzma.compress(b"some text"),
                "it is text, compressed by xz, but its name does not tell the format. If it lists "
                "images, rename it to .txt.xz (one name per line), .csv.xz, .tsv.xz or .jsonl.xz.",
            ),
            (
                zstandard.compress(encode(smooth(8, 8), "JPEG")),
                "it is compressed by zstd and holds a picture. Decompress it, and name what is in",
            ),
            (gzip.compress(zipped({"a.jpg": b"1"}), mtime=0), "and holds a file of the kind zip."),
            (gzip.compress(gzip.compress(b"1", mtime=0), mtime=0), "and holds compressed data."),
            (bz2.compress(b"%PDF-1.7"), "compressed by bzip2 and holds a PDF document."),
            (gzip.compress(b"\0\1\2\3", mtime=0), "and holds nothing that can be read."),
        ],
    )
    def test_other_kinds_are_refused(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "x.dat").write_bytes(content)
        assert reason in refusal(tmp_path / "x.dat")

    @pytest.mark.parametrize(
        "name", ["a.zip", "a.tar", "a.tar.gz", "a.parquet", "a.csv", "a.jsonl"]
    )
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"Rar!\x1a\x07\x01\0" + bytes(600), "it is a RAR archive. Unpack it and name the"),
            (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of Git LFS. Fetch"),
            (b"\n<!doctype HTML><html>", "it is a web page, and not the file. Download it again"),
        ],
    )
    def test_other_kinds_are_named_whatever_their_names(
        self, tmp_path: Path, name: str, content: bytes, reason: str
    ) -> None:
        (tmp_path / name).write_bytes(content)
        assert reason in refusal(tmp_path / name)
        tree(tmp_path, "b.jpg")
        if name.endswith((".zip", ".tar", ".gz")):
            (tmp_path / "list.txt").write_text(f"{name}\nb.jpg\n")
            assert listed(tmp_path / "list.txt") == [
                (f"{tmp_path}/{name}", "archive_unsupported"),
                (f"{tmp_path}/b.jpg", None),
            ]

    @pytest.mark.parametrize(
        ("name", "content", "held"),
        [
            ("a.zip", zipped({"a.jpg": b"1"}), "holds a file of the kind zip"),
            ("a.tar.gz", gzip.compress(tar({"a.jpg": b"1"}), mtime=0), "holds compressed data"),
            ("a.tar", b"PAR1" + bytes(9), "holds a file of the kind parquet"),
            ("a.parquet", b"PAR1" + bytes(9), "so its parts cannot be read"),
            ("a.arrow", b"ARROW1" + bytes(9), "so its parts cannot be read"),
        ],
    )
    def test_what_a_compression_hides_is_named(
        self, tmp_path: Path, name: str, content: bytes, held: str
    ) -> None:
        (tmp_path / name).write_bytes(gzip.compress(content, mtime=0))
        message = refusal(tmp_path / name)
        assert message.startswith(f"{tmp_path}/{name}: it is compressed by gzip")
        assert f"{held}. Decompress it, and name what is in it." in message

    def test_what_a_web_server_compresses_is_recognised_by_content(self) -> None:
        access = Access(settings=Settings(allow_private_hosts=True))
        contents = {
            "a.jpg": (tar({"a.jpg": b"1"}), ("a.tar.gz", "a.tar", "archive")),
            "b.jpg": (b"uri\nb.jpg\n", ("a.csv", "a.csv.gz", "list")),
            "": (encode(smooth(8, 8), "JPEG"), ("a.jpg", "picture")),
        }
        with Site().running() as web:
            for held, (content, names) in contents.items():
                packed = gzip.compress(content, mtime=0)
                for name in names:
                    url = web.add(f"/{name}", stored(packed, Content_Encoding="gzip"))
                    [source] = sources([url], access=access)
                    expected = {"a.jpg": f"{url}!/a.jpg", "b.jpg": web.url("/b.jpg")}.get(held, url)
                    assert [each.uri for each in source] == [expected]

    def test_a_list_may_begin_with_the_letters_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("ORCHID.jpg\n")
        (tmp_path / "b.txt").write_text("ORC 2.jpg\r\nb.jpg")
        assert [uri for uri, _ in listed(tmp_path / "a.txt", tmp_path / "b.txt")] == [
            *(f"{tmp_path}/ORCHID.jpg", f"{tmp_path}/ORC 2.jpg", f"{tmp_path}/b.jpg"),
        ]

    @pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "-"])
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (encode(smooth(8, 8), "JPEG"), "it is a picture, not a list of names. Name it as"),
            (tar({"a.jpg": b"1"}), "it is an archive, not a list of names. Save it under its own"),
        ],
        ids=["picture", "archive"],
    )
    def test_pictures_and_archives_are_no_lists(
        self, tmp_path: Path, name: str, content: bytes, reason: str
    ) -> None:
        (tmp_path / name).write_bytes(content)
        text = "-" if name == "-" else str(tmp_path / name)
        with pytest.raises(InputError) as caught:
            sources([text], stdin_copy=tmp_path / name)
        assert str(caught.value).startswith(f"{text}: {reason}")

    def test_a_workbook_is_not_a_csv_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes(zipped({"xl/workbook.xml": b"<workbook/>"}))
        assert refusal(tmp_path / "a.csv") == (
            f"{tmp_path}/a.csv: it is a zip file, or the workbook of a spreadsheet. Save it as CSV."
        )

    def test_a_glob_of_files_without_extensions_is_read_by_content(self, tmp_path: Path) -> None:
        for number in (0, 1):
            name = f"train-0000{number}-of-00002"
            (tmp_path / name).write_bytes(tfrecords(example(image__encoded=b"1")))
        assert [uri for uri, _ in listed(f"{tmp_path}/train-*")] == [
            f"{tmp_path}/train-0000{number}-of-00002!/record=1" for number in (0, 1)
        ]
        (tmp_path / "train-notes").write_text("text\n")
        found = LeftOut()
        [source, _, notes] = sources([f"{tmp_path}/train-*"])
        assert next(source.images(found)).uri.endswith("!/record=1")
        assert [each.error and each.error.code for each in notes] == ["archive_damaged"]

    def test_a_glob_of_archives_of_several_kinds_is_read_by_content(self, tmp_path: Path) -> None:
        (tmp_path / "1.tar").write_bytes(tar({"a.jpg": b"1"}))
        (tmp_path / "2.zip").write_bytes(zipped({"b.jpg": b"2"}))
        assert [uri for uri, _ in listed(f"{tmp_path}/*")] == [
            *(f"{tmp_path}/1.tar!/a.jpg", f"{tmp_path}/2.zip!/b.jpg"),
        ]
        for number in (1, 2):
            (tmp_path / f"{number}.gz").write_bytes(gzip.compress(f"{number}.jpg".encode()))
            (tmp_path / f"{number}.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
        assert [uri for uri, _ in listed(f"{tmp_path}/*.gz")] == [
            *(f"{tmp_path}/1.jpg", f"{tmp_path}/2.jpg"),
        ]
        assert refusal(f"{tmp_path}/*.7z").endswith("a 7z archive. Unpack it and name the folder.")

    def test_a_column_of_digests_is_not_a_column_of_images(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"md5": [b"\1" * 16], "URL": ["a.jpg"]}), tmp_path / "a.parquet")
        assert "it has 'md5', 'URL'" in refusal(tmp_path / "a.parquet")

    @pytest.mark.parametrize("name", ["pipe", "list.txt", "a.csv", "a.tar", "a.parquet"])
    def test_a_pipe_is_refused_at_once(self, tmp_path: Path, name: str) -> None:
        os.mkfifo(tmp_path / name)
        assert "not a regular file" in refusal(tmp_path / name)

    def test_a_folder_with_a_table_that_cannot_be_used_is_refused(self, tmp_path: Path) -> None:
        good, bad = tmp_path / "a.csv", tmp_path / "c.csv"
        good.write_text("uri\nb.jpg\n")
        bad.write_text("url\nb.jpg\n")
        message = refusal(tmp_path)
        assert message.startswith(f"{bad}: no column `uri`")
        assert message.endswith(f"To leave it out, name the other tables, such as {good}.")
        good.unlink()
        message = refusal(tmp_path)
        assert f"holds no image; left out: 1 other_kind (such as {bad})" in message
        assert f" {bad}: no column `uri`" in message

    @pytest.mark.parametrize(
        ("names", "fix"),
        [
            (("a.zip",), "Archives in a folder are read by a glob, such as '{}/**/*.zip'."),
            (("a.7z", "b/c.TAR.GZ"), "are read by a glob, such as '{}/**/*.tar.gz'."),
            (("a.rar",), "Unpack the archives in it."),
            (("a.parquet", "b.tar"), "such as '{}/**/*.tar'."),
            (("a.tfrecord-00000-of-00001",), "such as '{}/**/*.tfrecord-*'."),
            (("a.mp4",), "Check its name; pictures are known by their extension or content."),
        ],
    )
    def test_a_folder_without_an_image_says_how_to_read_its_archives(
        self, tmp_path: Path, names: tuple[str, ...], fix: str
    ) -> None:
        tree(tmp_path, *names)
        assert fix.format(tmp_path) in refusal(tmp_path)

    @pytest.mark.parametrize("pattern", ["", "/*"])
    @pytest.mark.parametrize(
        ("suffix", "parts"),
        [
            (".csv", [b"", b"uri\n", b"uri\na.jpg\n", b"uri\nb.jpg\n"]),
            (".csv.gz", [gzip.compress(b""), gzip.compress(b"uri\na.jpg\nb.jpg\n")]),
            (".json", [b'{"uri": "a.jpg"}\n', b"", b'{"uri": "b.jpg"}\n']),
        ],
    )
    def test_a_part_without_rows_is_counted(
        self, tmp_path: Path, suffix: str, parts: list[bytes], pattern: str
    ) -> None:
        for number, content in enumerate(parts):
            (tmp_path / f"part-{number}{suffix}").write_bytes(content)
        text = f"{tmp_path}{pattern}{suffix if pattern else ''}"
        assert listed(text) == [(f"{tmp_path}/a.jpg", None), (f"{tmp_path}/b.jpg", None)]
        found = LeftOut()
        assert sum(len([*source.images(found)]) for source in sources([text])) == 2
        assert {reason: count.entries for reason, count in found.take().items()} == {
            "empty_manifest": sum(b".jpg" not in gunzipped(part) for part in parts)
        }

    def test_a_table_without_rows_is_counted_and_its_columns_are_kept(self, tmp_path: Path) -> None:
        kinds = pa.schema([("uri", pa.string()), ("n", pa.int64())])
        pq.write_table(kinds.empty_table(), tmp_path / "part-0.parquet")
        table = pa.table({"uri": ["/a.jpg"], "n": [3]}, kinds)
        pq.write_table(table, tmp_path / "part-1.parquet")
        found = sources([str(tmp_path)], keep=("n",))
        images = [each for source in found for each in source]
        assert [(each.uri, each.extra_columns) for each in images] == [("/a.jpg", (3,))]
