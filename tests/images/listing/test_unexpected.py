"""Test that an unknown exception at any border of listing is a row or ends with exit code 2."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from imagebeam.images.errors import InputError
from imagebeam.images.listing import inputs
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.names import NameRules
from imagebeam.images.listing.sources import Kind, Source
from imagebeam.storage import ObjectInfo, Settings, registry
from imagebeam.storage.local import LocalStore
from tests.images.containers.archives import tar


class UnforeseenError(Exception):
    """An unknown exception whose text contains a secret."""

    def __init__(self) -> None:
        super().__init__("https://host/a.jpg?sig=secret")


class _Breaks(io.BytesIO):
    """A file that fails after its first reads."""

    def __init__(self, data: bytes, reads: int) -> None:
        super().__init__(data)
        self._left = reads

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise UnforeseenError
        return super().read(size)


class BrokenStore(LocalStore):
    """A store whose listings and files fail in an unexpected way.

    Attributes:
        reads: of a file, before it breaks.
    """

    reads = 0

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        yield ObjectInfo(f"{prefix}a.jpg", 1, "1")
        raise UnforeseenError

    def info(self, uri: str) -> ObjectInfo:
        return ObjectInfo(uri, 10, "1")

    def open(self, uri: str, version: str = "") -> Any:
        data = tar({"a.jpg": b"1", "b.jpg": b"2"}) if uri.endswith(".tar") else b"uri\na.jpg\n"
        return _Breaks(data, self.reads)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokenStore]:
    """Register the broken store for gs://."""
    monkeypatch.setitem(registry.STORES, "gs", (__name__, BrokenStore.__name__))
    registry.forget_stores()
    broken = registry.store_for("gs://b", Settings())
    assert isinstance(broken, BrokenStore)
    yield broken
    registry.forget_stores()


@pytest.mark.parametrize(
    ("kind", "name", "reads", "before"),
    [
        ("folder", "gs://b/x", 0, 1),
        ("glob", "gs://b/x/*.jpg", 0, 1),
        ("manifest", "gs://b/list.csv", 0, 0),
        ("container", "gs://b/a.tar", 0, 0),
        ("container", "gs://b/a.tar", 3, 0),
    ],
)
def test_an_unexpected_exception_while_listing_is_an_error_row(
    store: BrokenStore, kind: Any, name: str, reads: int, before: int
) -> None:
    store.reads = reads
    *found, last = Source(kind, (name,), "gs://b")
    assert len(found) >= before
    assert last.error is not None
    assert last.error.code == "listing_defect"
    assert "UnforeseenError" in str(last.error)
    assert "secret" not in str(last.error)


@pytest.mark.parametrize("name", ["gs://b/list.csv", "gs://b/list.parquet", "gs://b/a.tar"])
def test_an_unexpected_exception_while_checking_an_input_is_a_refusal(
    store: BrokenStore, name: str
) -> None:
    with pytest.raises(InputError, match="UnforeseenError") as caught:
        inputs.sources([name])
    assert str(caught.value).startswith(name)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith("Report it, and leave this input out.")


class _BrokenRules(NameRules):
    """Rules that fail in an unexpected way at one name."""

    def reason_to_skip(
        self, parts: Sequence[str], name: str
    ) -> Literal["hidden", "excluded"] | None:
        if name == "broken":
            raise UnforeseenError
        return super().reason_to_skip(parts, name)


@pytest.mark.parametrize("kind", ["folder", "glob"])
def test_an_unexpected_exception_in_a_folder_is_one_error_row_and_the_others_are_listed(
    tmp_path: Path, kind: Kind
) -> None:
    for name in ("a.jpg", "b/1.jpg", "b/broken/2.jpg", "c.jpg", "d/e/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pattern = str(tmp_path) + ("/*" if kind == "glob" else "")
    source = Source(kind, (pattern,), rules=ListingRules(names=_BrokenRules()))
    rows = [(each.uri.removeprefix(f"{tmp_path}/"), each.error) for each in source]
    assert [uri for uri, _ in rows] == ["a.jpg", "b", "c.jpg", "d/e/3.jpg"]
    [error] = [error for _, error in rows if error is not None]
    assert error.code == "listing_defect"
    assert "UnforeseenError" in str(error)
    assert "secret" not in str(error)


def test_an_unexpected_exception_at_what_a_glob_matches_is_its_error_row(tmp_path: Path) -> None:
    for name in ("broken", "c.jpg"):
        (tmp_path / name).touch()
    source = Source("glob", (f"{tmp_path}/*",), rules=ListingRules(names=_BrokenRules()))
    first, second = source
    assert (first.uri, second.uri) == (f"{tmp_path}/broken", f"{tmp_path}/c.jpg")
    assert first.error is not None
    assert first.error.code == "listing_defect"
    assert second.error is None
