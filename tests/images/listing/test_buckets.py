from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.images.listing import buckets, folders
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.names import NameRules
from imagebeam.storage import ObjectInfo, Settings
from imagebeam.storage.errors import Denied
from imagebeam.storage.local import LocalStore
from tests.images.listing.test_folders import tree

NAMES = (
    *("a.jpg", "b.jpg", "c.jpeg", "notes.txt", ".hidden.jpg", "x/d.jpg", "x/y/e.jpg", "z/f.png"),
    *(".dot/g.jpg", "x/.dot/h.jpg", "x/y/w.tar", "w.tar", "__MACOSX/i.jpg"),
)


class Names(LocalStore):
    """A bucket of names without objects; it is listed by name and not folder by folder."""

    def __init__(self, *names: str) -> None:
        super().__init__(Settings())
        self._names = sorted(names)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return (ObjectInfo(name, 1, "1") for name in self._names if name.startswith(prefix))


BUCKET = Names(*(f"gs://b/in/{name}" for name in NAMES), "gs://b/inner.jpg")


def test_only_images_below_a_name_are_listed() -> None:
    expected = ["a.jpg", "b.jpg", "c.jpeg", "x/d.jpg", "x/y/e.jpg", "z/f.png"]
    for folder in ("gs://b/in", "gs://b/in/"):
        assert [each.uri for each in buckets.walk(BUCKET, folder, NameRules(), LeftOut())] == [
            f"gs://b/in/{name}" for name in expected
        ]


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.jpg", "?.jp*g", "[!a].jpg", "*", "x/*.jpg", "*/*", "*/d.jpg", "**/*.jpg", "**"),
        *(
            "x/**",
            "**/y/*",
            "x*",
            ".*",
            ".dot/*",
            "x/.dot/*.jpg",
            "**/.dot/*",
            "*/y",
            "**/y",
            "q/*",
        ),
    ],
)
def test_globs_match_as_on_a_disk(tmp_path: Path, pattern: str) -> None:
    names = [name for name in NAMES if "MACOSX" not in name]
    tree(tmp_path, *names)
    bucket = Names(*(f"gs://b/in/{name}" for name in names))
    found = [
        each.uri for each in buckets.expand(bucket, f"gs://b/in/{pattern}", NameRules(), LeftOut())
    ]
    on_disk = [path for path, _ in folders.expand(pattern, str(tmp_path), NameRules(), LeftOut())]
    assert found == sorted(f"gs://b/in/{Path(path).relative_to(tmp_path)}" for path in on_disk)


def test_all_objects_that_match_are_listed_on_request() -> None:
    assert list(buckets.matches(BUCKET, "gs://b/in/**/*.tar")) == [
        "gs://b/in/w.tar",
        "gs://b/in/x/y/w.tar",
    ]
    assert list(buckets.matches(BUCKET, "gs://b/in/*.tar")) == ["gs://b/in/w.tar"]
    assert list(buckets.matches(BUCKET, "gs://b/in/[xyz]")) == ["gs://b/in/x/", "gs://b/in/z/"]


def test_only_objects_below_the_fixed_part_are_listed() -> None:
    class Watched(Names):
        prefix = ""

        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            self.prefix = prefix
            return super().list(prefix)

    bucket = Watched()
    assert list(buckets.expand(bucket, "gs://b/in/x/*/[ab].jpg", NameRules(), LeftOut())) == []
    assert bucket.prefix == "gs://b/in/x/"


def test_errors_of_the_store_are_passed_on() -> None:
    class Forbidden(Names):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            raise Denied("no right to list")

    with pytest.raises(Denied, match="no right to list"):
        list(buckets.walk(Forbidden(), "gs://b/in", NameRules(), LeftOut()))
