import io
import random
import tarfile

import pytest

from imagebeam.storage.errors import Changed, TimedOut, WrongLength
from imagebeam.storage.http.forward import ForwardFile
from imagebeam.storage.http.store import HttpStore
from imagebeam.storage.types import Settings
from tests.storage.web import Answer, Site, chunked, raw, stall, stored, whole

_DATA = random.Random(1).randbytes(3_500_000)


def opened(url: str, seconds: float = 10, attempts: int = 1) -> io.BufferedReader:
    """Return a file of a server without range support."""
    settings = Settings(
        seconds=seconds, attempts=attempts, first_pause=0.01, allow_private_hosts=True
    )
    file = HttpStore(settings).open(url)
    assert isinstance(file, io.BufferedReader)
    assert isinstance(file.raw, ForwardFile)
    return file


@pytest.mark.parametrize("answer", [whole(_DATA), chunked(_DATA[:999], _DATA[999:])])
def test_it_reads_and_seeks_as_a_file_does(site: Site, answer: Answer) -> None:
    model = io.BytesIO(_DATA)
    choose = random.Random(2)
    with opened(site.add("/a", answer)) as file:
        for _ in range(15):
            offset = choose.randrange(len(_DATA) + 99)
            assert file.seek(offset) == model.seek(offset)
            for length in (0, 512, 70_000, 1_500_000):
                assert file.read(length) == model.read(length)
                assert file.tell() == model.tell()
        assert file.seek(-5, 2) == len(_DATA) - 5
        assert file.read() == _DATA[-5:]
        assert file.read() == b""
        file.seek(len(_DATA) + 5)
        assert file.read(1) == b""


def test_sequential_reading_needs_one_request(site: Site) -> None:
    url = site.add("/a", whole(_DATA))
    with opened(url) as file:
        site.requests.clear()
        assert b"".join(iter(lambda: file.read(100_000), b"")) == _DATA
        assert len(site.requests) == 1
        file.seek(0)
        file.read(1)
        assert len(site.requests) == 2


def test_a_transient_failure_is_invisible_to_the_reader(site: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3500000\r\n\r\n"
    breaks = raw(head + _DATA[:2_000_000], reset=True)
    stalls = stall(head + _DATA[:1_000_000])
    url = site.add("/a", whole(_DATA), breaks, stalls, whole(_DATA))
    with opened(url, seconds=4, attempts=4) as file:
        assert file.read() == _DATA
    assert len(site.requests) == 4


def test_a_permanent_failure_is_raised_and_the_position_kept(site: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3500000\r\n\r\n"
    url = site.add("/a", raw(head + _DATA[:2_000_000]))
    with opened(url, attempts=2) as file:
        assert file.read(1_000_000) == _DATA[:1_000_000]
        with pytest.raises(WrongLength):
            file.read(1_500_000)
        site.add("/a", whole(_DATA))
        position = file.tell()
        assert file.read(10) == _DATA[position : position + 10]


def test_a_changed_version_is_detected(site: Site) -> None:
    url = site.add("/a", whole(_DATA, ETag='"one"'), whole(_DATA, ETag='"two"'))
    with opened(url) as file, pytest.raises(Changed):
        file.read(1)


def test_a_stalled_server_times_out(site: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3500000\r\n\r\n"
    url = site.add("/a", whole(_DATA), stall(head + _DATA[:500_000]))
    with opened(url, seconds=1.5) as file, pytest.raises(TimedOut):
        file.read()


def test_closing_releases_the_connection(site: Site) -> None:
    settings = Settings(
        seconds=2, attempts=1, first_pause=0.01, allow_private_hosts=True, connections_per_host=1
    )
    store = HttpStore(settings)
    url = site.add("/a", whole(_DATA))
    other = site.add("/b", stored(b"1"))
    with store.open(url) as file:
        file.read(1)
        with pytest.raises(TimedOut, match="other requests"):
            store.read(other, 9)
    assert store.read(other, 9) == b"1"


def test_positions_before_the_start_are_refused(site: Site) -> None:
    with opened(site.add("/a", whole(b"1"))) as file, pytest.raises(ValueError, match="position"):
        file.seek(-1)


def test_an_archive_can_be_read_through_it(site: Site) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for number in range(20):
            info = tarfile.TarInfo(f"{number}.bin")
            info.size = 50_000
            tar.addfile(info, io.BytesIO(_DATA[number : number + 50_000]))
    url = site.add("/a.tar.gz", whole(data.getvalue()))
    with opened(url) as file, tarfile.open(fileobj=file, mode="r|gz") as tar:
        members = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    assert members == {f"{n}.bin": _DATA[n : n + 50_000] for n in range(20)}
