import io
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing.sources import Source
from imagebeam.images.reading.fetch import FetchRequest, fetch
from imagebeam.images.reading.fetcher import Fetcher
from imagebeam.images.settings import Access
from imagebeam.images.stage_times import Meter
from imagebeam.storage import Settings
from imagebeam.storage.local import LocalStore
from tests.images.containers.archives import PICTURES, example, parquet, tar, tfrecords, zipped

CONTAINERS = {
    "a.tar": tar(),
    "a.tar.gz": tar(mode="w:gz"),
    "a.tar.xz": tar(mode="w:xz"),
    "a.zip": zipped(),
    "a.tfrecord": tfrecords(*(example(image__encoded=data) for data in PICTURES.values())),
    "nested.tar": tar({"n.tar.gz": tar(mode="w:gz")}),
    "nested.zip": zipped({"n.zip": zipped()}),
    "nested.tar.gz": tar({"n.zip": zipped()}, "w:gz"),
    "a.parquet": parquet({"image": list(PICTURES.values())}),
}


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    made = Fetcher(Access(concurrent_reads=3), 10_000)
    yield made
    made.close()


def reading_from(store: LocalStore, bytes_ahead: int = 64_000_000) -> Fetcher:
    """Return a fetcher for which every address is in this store."""
    return Fetcher(Access(concurrent_reads=3), 10_000, bytes_ahead, store_of=lambda *_: store)


def locations_in(folder: Path, name: str) -> list[ImageLocation]:
    """Return the location of each member of a container."""
    (folder / name).write_bytes(CONTAINERS[name])
    found = [each.location for each in Source("container", (str(folder / name),))]
    assert all(isinstance(each, ImageLocation) for each in found)
    return [each for each in found if isinstance(each, ImageLocation)]


def outcomes(requests: Iterator[FetchRequest], max_bytes: int = 10_000) -> list[bytes | str]:
    """Return the bytes of each request, or the code of its error."""
    found: list[bytes | str] = []
    for request in requests:
        try:
            found.append(fetch(request, max_bytes))
        except ImageError as error:
            found.append(error.code)
    return found


@pytest.mark.parametrize("name", CONTAINERS)
def test_members_are_returned_in_the_requested_order(
    tmp_path: Path, fetcher: Fetcher, name: str
) -> None:
    wanted = locations_in(tmp_path, name)
    expected = list(PICTURES.values())
    assert outcomes(fetcher.requests(wanted, Meter())) == expected
    assert outcomes(fetcher.requests(wanted[1:], Meter())) == expected[1:]
    assert outcomes(fetcher.requests(wanted[::-1], Meter())) == expected[::-1]
    assert outcomes(fetcher.requests([], Meter())) == []


def test_a_decoding_process_reads_local_files_and_members_of_local_tars(
    tmp_path: Path, fetcher: Fetcher
) -> None:
    first = locations_in(tmp_path, "a.tar")[0]
    wanted = [ImageLocation("/a.jpg"), first]
    assert list(fetcher.requests(wanted, Meter())) == wanted


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_replaced_container_is_detected(tmp_path: Path, fetcher: Fetcher, name: str) -> None:
    wanted = locations_in(tmp_path, name)
    (tmp_path / name).write_bytes(CONTAINERS[name] + b"more")
    assert outcomes(fetcher.requests(wanted, Meter())) == ["changed"] * 4


def test_a_tar_truncated_after_listing_is_an_error(tmp_path: Path, fetcher: Fetcher) -> None:
    wanted = [each._replace(version="") for each in locations_in(tmp_path, "a.tar")]
    (tmp_path / "a.tar").write_bytes(CONTAINERS["a.tar"][: wanted[1].place[0] + 10])
    # The third member is empty, so nothing of it is missing.
    found = outcomes(fetcher.requests(wanted, Meter()))
    assert found == [b"first", "bad_member", b"", "bad_member"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_member_over_the_limit_affects_only_itself(tmp_path: Path, name: str) -> None:
    small = Fetcher(Access(), 500)
    found = outcomes(small.requests(locations_in(tmp_path, name), Meter()), 500)
    small.close()
    assert found == [b"first", "file_too_large", b"", b"4"]


def test_unsupported_schemes_are_errors(fetcher: Fetcher) -> None:
    assert outcomes(fetcher.requests([ImageLocation("ftp://a/b.jpg")], Meter())) == [
        "unsupported_scheme"
    ]


class SlowStore(LocalStore):
    """A store whose reads wait for each other."""

    def __init__(self, together: int) -> None:
        super().__init__(Settings())
        self._met = threading.Barrier(together, timeout=20)
        self.reads = 0

    def read(self, *_: Any, **__: Any) -> bytes:
        self.reads += 1
        self._met.wait()
        return b"x" * 1000


def test_several_files_are_read_concurrently() -> None:
    store = SlowStore(3)
    wanted = [ImageLocation(f"gs://a/{index}") for index in range(6)]
    with closing(reading_from(store)) as fetcher:
        assert outcomes(fetcher.requests(wanted, Meter())) == [b"x" * 1000] * 6


def test_the_number_of_waiting_requests_is_bounded() -> None:
    store = SlowStore(1)
    fetcher = reading_from(store, bytes_ahead=2500)
    requests = fetcher.requests((ImageLocation(f"gs://a/{index}") for index in range(50)), Meter())
    taken = [next(requests) for _ in range(3)]
    assert taken == [b"x" * 1000] * 3
    # Requests that were taken, that wait, and that were running when the limit was reached.
    assert store.reads <= 3 + 3 + 2 * 3 + 1
    assert len(list(requests)) == 47
    fetcher.close()


class BrokenStore(LocalStore):
    """A store that raises an unexpected exception."""

    def read(self, *_: Any, **__: Any) -> bytes:
        raise LookupError("unexpected")

    def open(self, *_: Any, **__: Any) -> Any:
        raise RecursionError("also unexpected")


def test_an_unexpected_exception_fails_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher = reading_from(BrokenStore(Settings()))
    locations = [
        ImageLocation("gs://a/b.jpg"),
        ImageLocation("gs://a/b.tar.gz", kind="TAR_GZIP", place=(0, 1)),
        ImageLocation("gs://a/b.parquet", kind="PARQUET", place=(0, 1)),
    ]
    requests = list(fetcher.requests(locations, Meter()))
    assert [getattr(each, "code", each) for each in requests] == ["fetch_defect"] * 3
    assert "LookupError" in str(requests[0])
    monkeypatch.setenv(RAISE_UNEXPECTED, "1")
    with pytest.raises(LookupError):
        list(fetcher.requests(locations[:1], Meter()))
    fetcher.close()


class CountingStore(LocalStore):
    """A store that records which files are opened."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.opened: list[str] = []

    def open(self, uri: str, version: str = "") -> io.BufferedReader:
        self.opened.append(uri)
        return super().open(uri, version)


def test_a_stream_continues_at_its_last_position(tmp_path: Path) -> None:
    store = CountingStore()
    with closing(reading_from(store)) as fetcher:
        for location in locations_in(tmp_path, "a.tar.gz"):
            outcomes(fetcher.requests([location], Meter()))
    assert store.opened == [str(tmp_path / "a.tar.gz")]


def test_threads_share_a_fetcher(tmp_path: Path, fetcher: Fetcher) -> None:
    wanted = {name: locations_in(tmp_path, name) for name in CONTAINERS}
    wrong: list[object] = []

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(20):
            name = rng.choice(list(CONTAINERS))
            start = rng.randrange(4)
            found = outcomes(fetcher.requests(wanted[name][start:], Meter()))
            if found != list(PICTURES.values())[start:]:
                wrong.append((name, start, found))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
