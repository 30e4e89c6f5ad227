import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.sources import Source
from tests.images.containers.archives import tar
from tests.images.listing.test_folders import tree


def listed(text: str, base: str) -> list[ListedImage]:
    """Return the images of one manifest entry in the folder `base`."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "list.jsonl")
        manifest.write_text(json.dumps({"uri": text}) + "\n")
        return list(Source("manifest", (str(manifest),), base))


@given(
    st.one_of(
        st.text(min_size=1, max_size=40),
        st.text(max_size=40).map(lambda text: f"https://{text}"),
        st.text(max_size=20).map(lambda text: f"//{text}"),
    ),
    st.sampled_from(["/folder", "gs://bucket/folder", "https://host/folder", "https://host"]),
)
@example("//[", "https://host/folder")
@settings(max_examples=400)
def test_every_entry_has_one_name_that_a_table_can_hold(text: str, base: str) -> None:
    [found] = listed(text, base)
    found.uri.encode("utf-8")


@pytest.mark.parametrize(
    ("entry", "base", "address"),
    [
        ("a.jpg", "gs://b/x", "gs://b/x/a.jpg"),
        ("../a #1?.jpg", "gs://b/x", "gs://b/a #1?.jpg"),
        ("y/a.jpg?id=1", "https://h/x", "https://h/x/y/a.jpg?id=1"),
        ("../a.jpg", "https://h/x", "https://h/a.jpg"),
        ("s3://c/a.jpg", "gs://b/x", "s3://c/a.jpg"),
        ("https://h/a.jpg", "/folder", "https://h/a.jpg"),
    ],
)
def test_relative_entries_start_at_the_folder_of_their_manifest(
    entry: str, base: str, address: str
) -> None:
    assert listed(entry, base) == [ListedImage(address, ImageLocation(address))]


@pytest.mark.parametrize("entry", ["/etc/a.jpg", "file:///etc/a.jpg", "FILE://localhost/a.jpg"])
@pytest.mark.parametrize("base", ["gs://b/x", "https://h/x"])
def test_a_remote_manifest_cannot_name_local_files(entry: str, base: str) -> None:
    [found] = listed(entry, base)
    assert found.uri.endswith("/list.jsonl#line=1")
    assert found.error is not None
    assert found.error.code == "unsupported_scheme"


def test_versions_are_those_of_the_files_that_hold_the_images(tmp_path: Path) -> None:
    tree(tmp_path, "in/a.jpg", "in/b.jpg")
    (tmp_path / "a.tar").write_bytes(tar({"x/1.jpg": b"1"}))
    os.utime(tmp_path / "in/a.jpg", ns=(0, 16))
    os.utime(tmp_path / "a.tar", ns=(0, 255))
    (tmp_path / "list.csv").write_text(
        "uri,id\nin/a.jpg,7\ngone.jpg,8\nhttp://127.0.0.1:9/a.jpg,9\n"
    )
    size = len((tmp_path / "in/a.jpg").read_bytes())

    def columns(name: str, keep: list[str]) -> list[tuple[Any, ...]]:
        [source] = sources([str(tmp_path / name)], keep=keep)
        found = replace(source, columns_before_version=len(keep))
        return [each.extra_columns for each in found]

    assert columns("in", [])[0] == (f"10-{size:x}",)
    assert columns("a.tar", ["folder"]) == [("x", f"ff-{(tmp_path / 'a.tar').stat().st_size:x}")]
    assert columns("list.csv", ["id"]) == [("7", f"10-{size:x}"), ("8", None), ("9", None)]
    images = Source("images", (f"{tmp_path}/in/a.jpg",), columns_before_version=2)
    assert [each.extra_columns for each in images] == [(None, None, f"10-{size:x}")]
