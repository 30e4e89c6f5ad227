import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.extras import install_command
from imagebeam.images.containers.types import MemberSelection
from imagebeam.images.errors import InputError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.columns import extra_columns
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.sources import Source, image
from imagebeam.images.settings import Access
from imagebeam.storage import store_for
from tests.images.containers.archives import tar, zipped
from tests.images.listing.test_folders import tree
from tests.images.reading.test_fetch import without_rights


def listed(*inputs: str | Path, stdin_copy: Path | None = None) -> list[str]:
    """Return the URIs of the inputs; none of them may have a problem."""
    found = [each for source in sources([*map(str, inputs)], stdin_copy) for each in source]
    assert [each.error for each in found if each.error] == []
    return [each.uri for each in found]


def refusal(*inputs: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        sources([*map(str, inputs)])
    return str(caught.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a current folder with wildcards in its name."""
    folder = tmp_path / "photos [1] *"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class TestKinds:
    def test_a_folder_is_a_source(self, tmp_path: Path) -> None:
        tree(tmp_path, "b.jpg", "a/c.png", "d.txt", ".e.jpg")
        [source] = sources([str(tmp_path)])
        assert source == Source("folder", (str(tmp_path),))
        assert list(source) == [
            image(f"{tmp_path}/a/c.png"),
            image(f"{tmp_path}/b.jpg"),
        ]
        assert list(source) == list(pickle.loads(pickle.dumps(source)))

    def test_a_relative_folder_is_a_source(self, here: Path) -> None:
        tree(here, "a/b.jpg")
        assert listed("a") == listed("./a/") == listed(".") == [f"{here}/a/b.jpg"]

    def test_a_relative_glob_works_below_a_folder_with_wildcards_in_its_name(
        self, here: Path
    ) -> None:
        tree(here, "a.jpg", "b/c.jpg")
        tree(here.parent / "photos 1 x", "d.jpg")
        assert listed("*.jpg") == [f"{here}/a.jpg"]
        assert listed("**/*.jpg") == [f"{here}/a.jpg", f"{here}/b/c.jpg"]

    def test_a_glob_keeps_its_start_folder(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree(here, "a.jpg")
        [source] = sources(["*.jpg"])
        monkeypatch.chdir("/")
        assert list(source) == [image(f"{here}/a.jpg")]

    def test_a_file_whose_name_looks_like_a_glob_is_that_file(self, here: Path) -> None:
        tree(here, "a[1].jpg", "a1.jpg", "?.jpg")
        assert listed("a[1].jpg") == [f"{here}/a[1].jpg"]
        assert listed("?.jpg") == [f"{here}/?.jpg"]
        assert listed("a[!0].jpg") == [f"{here}/a1.jpg"]

    def test_a_folder_whose_name_looks_like_a_glob_is_that_folder(self, here: Path) -> None:
        tree(here, "b*/a.jpg", "bc/d.jpg")
        assert listed("b*") == [f"{here}/b*/a.jpg"]

    def test_single_images_share_a_source(self, here: Path) -> None:
        tree(here, "b.jpg", "a.dat", "x/c.jpg")
        found = sources(["b.jpg", "x", "a.dat"])
        assert found == (
            Source("folder", (f"{here}/x",)),
            Source("images", (f"{here}/b.jpg", f"{here}/a.dat")),
        )

    def test_names_that_are_not_utf8(self, here: Path) -> None:
        odd = Path(os.fsdecode(b"\xff"))
        tree(here / odd, os.fsdecode(b"\xfe.jpg"))
        base = f"file://{here}".replace(" ", "%20").replace("[", "%5B").replace("]", "%5D")
        expected = [f"{base.replace('*', '%2A')}/%FF/%FE.jpg"]
        assert listed(odd) == expected
        assert listed(odd / "*.jpg") == expected
        assert listed(odd / os.fsdecode(b"\xfe.jpg")) == expected

    def test_file_uris_are_paths(self, here: Path) -> None:
        tree(here, "a b.jpg")
        assert listed(f"file://{here}/a%20b.jpg") == [f"{here}/a b.jpg"]
        assert listed(f"file://{here}") == [f"{here}/a b.jpg"]

    def test_a_subfolder_that_cannot_be_listed_is_reported(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            tree(Path(root), "a.jpg", "b/c.jpg")
            Path(root).chmod(0o755)
            Path(root, "b").chmod(0)
            with without_rights():
                [source] = sources([root])
                first, second = source
            Path(root, "b").chmod(0o755)
        assert first == image(f"{root}/a.jpg")
        assert second.uri == f"{root}/b"
        assert second.error is not None
        assert second.error.code == "listing_failed"


class TestManifests:
    def test_relative_entries_start_at_the_manifests_folder(self, here: Path) -> None:
        tree(here, "lists/a.txt")
        entries = ["b.jpg", "../c.jpg", "/d.jpg", "[1].jpg", "gs://e/f.jpg", "b.jpg"]
        (here / "lists" / "a.txt").write_text("\n".join(entries))
        assert listed("lists/a.txt") == [
            f"{here}/lists/b.jpg",
            f"{here}/c.jpg",
            "/d.jpg",
            f"{here}/lists/[1].jpg",
            "gs://e/f.jpg",
            f"{here}/lists/b.jpg",
        ]

    def test_a_manifest_in_the_current_folder_is_read(self, here: Path) -> None:
        (here / "a.txt").write_text("b.jpg")
        assert listed("a.txt") == [f"{here}/b.jpg"]

    def test_every_manifest_format_is_read(self, here: Path) -> None:
        (here / "a.TXT").write_text("a.jpg")
        (here / "b.csv").write_text("uri\nb.jpg")
        (here / "c.jsonl").write_text('{"uri": "c.jpg"}')
        pq.write_table(pa.table({"uri": ["d.jpg"]}), here / "d.parquet")
        found = listed("a.TXT", "b.csv", "c.jsonl", "d.parquet")
        assert found == [f"{here}/{name}.jpg" for name in "abcd"]

    def test_standard_input_starts_at_the_current_folder(self, here: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.txt"
        copy.write_bytes(b"a.jpg\n\xff.jpg\n/b.jpg\n")
        first, second, third = listed("-", stdin_copy=copy)
        assert (first, third) == (f"{here}/a.jpg", "/b.jpg")
        assert second.startswith("file:///")
        assert second.endswith("/%FF.jpg")

    def test_entries_without_a_name_are_listed_by_position(self, here: Path) -> None:
        (here / "a b.jsonl").write_text('"a.jpg"\n{}\n"\\ud800.jpg"\n"s3://b/\\udcff.jpg"\n')
        [source] = sources(["a b.jsonl"])
        found = [(each.uri, each.error and str(each.error)) for each in source]
        assert found == [
            (f"{here}/a.jpg", None),
            (f"{here}/a b.jsonl#line=2", "`uri` is None, not the name of an image"),
            (
                f"{here}/a b.jsonl#line=3",
                "'\\ud800.jpg' is not UTF-8 text. Save the manifest as UTF-8",
            ),
            (
                f"{here}/a b.jsonl#line=4",
                "'s3://b/\\udcff.jpg' is not UTF-8 text. Save the manifest as UTF-8",
            ),
        ]
        problems = [each.error for each in source if each.error]
        assert [problem.code for problem in problems] == ["bad_entry"] * 3
        for uri, _ in found:
            uri.encode("utf-8")

    def test_a_glob_of_manifests_is_those_manifests(self, here: Path) -> None:
        tree(here, "lists/a.txt", "lists/b.txt", "lists/c.jpg")
        (here / "lists" / "a.txt").write_text("a.jpg")
        (here / "lists" / "b.txt").write_text("b.jpg")
        assert sources(["lists/*.txt"]) == (
            Source("manifest", (f"{here}/lists/a.txt",), f"{here}/lists"),
            Source("manifest", (f"{here}/lists/b.txt",), f"{here}/lists"),
        )
        assert listed("lists/*.txt") == [f"{here}/lists/a.jpg", f"{here}/lists/b.jpg"]

    def test_a_glob_that_also_matches_notes_takes_the_images(self, here: Path) -> None:
        tree(here, "a.jpg", "labels.csv", "readme.txt", "table.parquet")
        assert listed("*") == [f"{here}/a.jpg"]

    def test_a_manifest_deleted_before_reading_is_an_error_row(self, here: Path) -> None:
        (here / "a.txt").write_text("a.jpg")
        [source] = sources(["a.txt"])
        (here / "a.txt").unlink()
        [only] = source
        assert only.uri == f"{here}/a.txt"
        assert only.error is not None
        assert only.error.code == "listing_failed"
        assert str(only.error) == "it cannot be read: No such file or directory"


class TestContainers:
    def test_members_are_named_after_their_archive(self, here: Path) -> None:
        (here / "a.tar").write_bytes(tar({"x/a.jpg": b"1", "b.jpg": b"22", "c.txt": b""}))
        [source] = sources(["a.tar"])
        assert source.kind == "container"
        archive = f"{here}/a.tar"
        version = store_for(archive).info(archive).version
        assert list(source) == [
            ListedImage(f"{archive}!/x/a.jpg", ImageLocation(archive, version, "TAR", (512, 1))),
            ListedImage(f"{archive}!/b.jpg", ImageLocation(archive, version, "TAR", (1536, 2))),
        ]
        assert list(source) == list(pickle.loads(pickle.dumps(source)))

    def test_a_glob_of_archives_is_those_archives(self, here: Path) -> None:
        for name in ("a.zip", "b.zip"):
            (here / name).write_bytes(zipped({f"{name}.jpg": b"1"}))
        assert [each.kind for each in sources(["*.zip"])] == ["container"] * 2
        assert listed("*.zip") == [f"{here}/{name}!/{name}.jpg" for name in ("a.zip", "b.zip")]

    def test_a_table_is_a_manifest_where_it_has_names(self, here: Path) -> None:
        pq.write_table(pa.table({"uri": ["a.jpg"], "thumbnail": [b"x"]}), here / "a.parquet")
        pq.write_table(pa.table({"image": [b"\x89PNG"]}), here / "b.parquet")
        assert listed("a.parquet") == [f"{here}/a.jpg"]
        assert listed("b.parquet") == [f"{here}/b.parquet!/row=1"]
        chosen = Access(selection=MemberSelection(image_column="thumbnail"))
        [source] = sources(["a.parquet"], access=chosen)
        assert [each.uri for each in source] == [f"{here}/a.parquet!/row=1"]

    def test_a_manifest_may_name_archives(self, here: Path) -> None:
        (here / "a.tar").write_bytes(tar({"a.jpg": b"1", "b.jpg": b"2"}))
        (here / "list.csv").write_text("uri,id\na.tar,7\nc.jpg,8\ngone.zip,9\n")
        [source] = sources(["list.csv"], keep=["id"])
        assert extra_columns([source]) == {"id": pa.string()}
        found = [(each.uri, each.error and each.error.code, *each.extra_columns) for each in source]
        assert found == [
            (f"{here}/a.tar!/a.jpg", None, "7"),
            (f"{here}/a.tar!/b.jpg", None, "7"),
            (f"{here}/c.jpg", None, "8"),
            (f"{here}/gone.zip", "listing_failed", "9"),
        ]

    def test_a_bad_member_affects_only_itself(self, here: Path) -> None:
        data = tar({"a.jpg": b"1", "b.jpg": b"2" * 5000})
        (here / "a.tar").write_bytes(data[:3000])
        [source] = sources(["a.tar"])
        assert [(each.uri, each.error and each.error.code) for each in source] == [
            (f"{here}/a.tar!/a.jpg", None),
            (f"{here}/a.tar!/b.jpg", None),
            (f"{here}/a.tar", "archive_damaged"),
        ]

    def test_names_that_are_not_utf8(self, here: Path) -> None:
        odd = os.fsdecode(b"\xff.tar")
        (here / odd).write_bytes(tar({os.fsdecode(b"\xfe.jpg"): b"1"}))
        [uri] = listed(odd)
        assert uri.endswith("/%FF.tar!/%FE.jpg")


class TestRefusals:
    """Every refusal states value, reason and fix."""

    def test_a_missing_input_is_refused(self, here: Path) -> None:
        fix = "Check the spelling; put a glob in quotes."
        assert refusal("none") == f"none: no such file or folder. {fix}"
        assert refusal("") == f": no such file or folder. {fix}"
        tree(here, "a.jpg")
        assert refusal("a.jpg/b.jpg") == f"a.jpg/b.jpg: no such file or folder. {fix}"

    def test_an_empty_folder_is_refused(self, here: Path) -> None:
        tree(here, "a/b.txt", "a/.c.jpg")
        assert refusal("a") == (
            "a: the folder holds no image; left out: 1 hidden (such as "
            f"{here}/a/.c.jpg), 1 other_kind (such as {here}/a/b.txt). Check its name; pictures "
            "are known by their extension or content."
        )

    def test_a_folder_that_cannot_be_listed_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            Path(root).chmod(0)
            with without_rights():
                found = refusal(root)
        reason = "the folder cannot be listed: Permission denied"
        fix = "Check its name, your rights to read it and, if it is in a store, the server."
        assert found == f"{root}: {reason}. {fix}"

    def test_an_input_without_permission_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            Path(root).chmod(0)
            with without_rights():
                found = refusal(f"{root}/a.jpg")
        assert found == f"{root}/a.jpg: Permission denied. Check its name and permissions."

    def test_an_impossible_file_name_is_refused(self) -> None:
        fix = "Check its name and permissions."
        assert refusal("a\0b") == f"a\0b: a name cannot hold a null character. {fix}"
        assert refusal("a" * 256) == f"{'a' * 256}: File name too long. {fix}"

    def test_a_glob_without_a_match_is_refused(self, here: Path) -> None:
        tree(here, "a.jpg")
        fix = (
            "Check the spelling; `**` stands for any folders. A glob for archives ends as they do, "
            "such as '*.tar.gz'."
        )
        assert refusal("*.png") == f"*.png: the glob matches no image. {fix}"
        assert refusal("a.jpg/*.png") == f"a.jpg/*.png: the glob matches no image. {fix}"
        expected = "*.csv: the glob matches no manifest. Check the spelling."
        assert refusal("*.csv") == expected

    def test_an_empty_manifest_is_refused(self, here: Path) -> None:
        (here / "a.txt").write_text("\n\n")
        (here / "b.csv").write_text("uri\n")
        assert refusal("a.txt") == (
            "a.txt: the manifest has no entry; left out: 2 blank (such as "
            f"{here}/a.txt#line=1). Give one image per line or row."
        )
        assert (
            refusal("b.csv") == "b.csv: the manifest has no entry. Give one image per line or row."
        )

    def test_a_manifest_without_the_column_is_refused(self, here: Path) -> None:
        (here / "a.csv").write_text("url\na.jpg\n")
        fix = (
            "Name the column that holds the images' names with --uri-column. If the first line is "
            "not a header, write one above it, or give --uri-column the name of the image in that "
            "line."
        )
        assert refusal("a.csv") == f"a.csv: no column `uri`; it has 'url'. {fix}"

    def test_one_bad_manifest_of_a_glob_is_reported(self, here: Path) -> None:
        (here / "a.csv").write_text("uri\na.jpg\n")
        (here / "b.csv").write_text("url\na.jpg\n")
        assert refusal("*.csv").startswith(f"{here}/b.csv: no column `uri`; it has 'url'. ")

    def test_other_schemes_are_refused(self) -> None:
        assert refusal("ftp://user:word@host/*.jpg") == (
            "ftp://host/*.jpg: ftp:// cannot be read. Give a local name or one of "
            "file://, gs://, s3://, http://, https://."
        )

    def test_a_glob_on_the_web_is_refused(self) -> None:
        assert refusal("https://user:word@host/a/*.jpg?X-Amz-Signature=secret") == (
            "https://host/a/*.jpg: web servers cannot be listed, so a glob matches nothing. Name a "
            "manifest of URLs."
        )

    @pytest.mark.parametrize("text", ["gs://", "s3:///a.jpg", "gs://b*/a.jpg"])
    def test_a_missing_bucket_is_refused(self, text: str) -> None:
        scheme = text[:2]
        assert refusal(text) == f"{text}: names no bucket. Give {scheme}://BUCKET/NAME."

    def test_without_boto3_the_extra_is_the_fix(self) -> None:
        script = (
            "import sys; sys.modules['boto3'] = None\n"
            "from imagebeam.images.listing.inputs import InputError, sources\n"
            "for name in sys.argv[1:]:\n"
            "    try: sources([name])\n"
            "    except InputError as error: print(error)"
        )
        names = ["s3://b/in/", "s3://b/a.jpg", "s3://b/a.csv", "s3://b/*.jpg", "s3://b/*.tar"]
        done = subprocess.run(
            [sys.executable, "-c", script, *names], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [
            f"{name}: s3:// needs boto3; run `{install_command('s3')}`." for name in names
        ]

    def test_an_archive_without_images_is_refused(self, here: Path) -> None:
        (here / "a.tar").write_bytes(tar({"notes.txt": b"x"}))
        assert refusal("a.tar").startswith("a.tar: no image is in it")

    def test_a_damaged_archive_is_refused(self, here: Path) -> None:
        (here / "a.zip").write_bytes(b"rubbish")
        assert refusal("a.zip") == (
            "a.zip: no index of a zip: it ends without one. If it is one part of several, "
            "join them: `cat PART1 PART2 > whole.zip`. Pack or download it again."
        )

    def test_columns_to_keep_without_a_table_are_refused(self, here: Path) -> None:
        tree(here, "a.jpg")
        with pytest.raises(InputError) as caught:
            sources(["a.jpg"], keep=["id"])
        assert str(caught.value) == (
            "--keep id: no input has such columns. Name columns of a .csv or .parquet file, "
            "extensions of the files next to images in a folder or archive (`cls`; in a tar, "
            "directly before or behind the image), features of TFRecords, or `folder`: the name of "
            "each image's folder."
        )

    def test_a_missing_column_to_keep_is_refused(self, here: Path) -> None:
        (here / "a.csv").write_text("uri,id\na.jpg,1\n")
        with pytest.raises(InputError) as caught:
            sources(["a.csv"], keep=["label"])
        assert str(caught.value) == "a.csv: no column 'label' to keep; it has 'uri', 'id'."

    def test_manifests_with_different_columns_are_refused(self, here: Path) -> None:
        (here / "a.csv").write_text("uri,id\na.jpg,1\n")
        (here / "b.jsonl").write_text('{"uri": "b.jpg", "id": 1}\n')
        with pytest.raises(InputError) as caught:
            extra_columns(sources(["a.csv", "b.jsonl"], keep=["id"]))
        assert str(caught.value) == (
            f"{here}/b.jsonl: column 'id' holds int64, and string in another manifest. Make them "
            "alike, or label them in separate runs."
        )

    def test_a_column_of_a_type_that_outputs_cannot_hold_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        table = pa.table({"uri": ["a.jpg"], "m": pa.array([{}], pa.struct([]))})
        with pa.OSFile("a.arrow", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        with pytest.raises(InputError, match="--keep m: an output cannot hold struct<>"):
            extra_columns(sources(["a.arrow"], keep=["m"]))

    def test_unread_standard_input_is_refused(self) -> None:
        expected = "-: standard input was not read. Name the manifest as a file."
        assert refusal("-") == expected

    def test_empty_standard_input_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "copy.txt").touch()
        with pytest.raises(InputError) as caught:
            sources(["-"], tmp_path / "copy.txt")
        assert str(caught.value) == "-: the manifest has no entry. Give one image per line or row."
