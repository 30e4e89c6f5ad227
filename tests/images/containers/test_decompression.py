"""Test that a stream can only end the process that decompresses it, and costs nothing else."""

import bz2
import gzip
import io
import lzma
import os
import random
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import zstandard

from imagebeam import child_process
from imagebeam.images.containers import tars
from imagebeam.images.containers.decompression_process import DECOMPRESSION_PROCESSES
from imagebeam.images.containers.errors import ContainerLimitError, DamagedContainerError
from imagebeam.images.containers.kinds import Compression, ContainerKind
from imagebeam.images.containers.streams import Decompressed
from imagebeam.images.containers.types import ContainerLimits, Member, MemberCounter, MemberProblem
from imagebeam.images.containers.zip_methods import METHODS, STORED, unpack, unpack_here
from imagebeam.images.errors import BadMember
from imagebeam.images.listing.manifests import manifest_files
from tests.faults.bombs import xz_with_dictionary
from tests.images.containers.archives import opened, tar, zipped
from tests.images.containers.processes import kill_readers, readers

_KIND = "decompression_child"
_LIMITS = ContainerLimits()
_DATA = random.Random(1).randbytes(3_000_000)
_PICTURES = {f"{n:02}.jpg": _DATA[n * 90_000 :][:90_000] for n in range(30)}


def _deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def _lzma_of_zip(data: bytes) -> bytes:
    alone = lzma.compress(data, lzma.FORMAT_ALONE, preset=0)
    # A version and the size of the properties stand where the size of the content was.
    return b"\x09\x14\x05\x00" + alone[:5] + alone[13:]


_PACK: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.compress,
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lambda data: lzma.compress(data, preset=0),
    Compression.ZSTANDARD: zstandard.compress,
    Compression.DEFLATE: _deflate,
    Compression.LZMA: _lzma_of_zip,
}
_PACKED = {kind: pack(_DATA) for kind, pack in _PACK.items()}
each_kind = pytest.mark.parametrize("kind", _PACK)


def _stream(kind: Compression, seconds: float = 60) -> Decompressed:
    return Decompressed(io.BytesIO(_PACKED[kind]), kind, _LIMITS, seconds)


@pytest.fixture(autouse=True)
def no_process_remains() -> Iterator[None]:
    DECOMPRESSION_PROCESSES.end()
    assert readers(_KIND) == []
    yield
    DECOMPRESSION_PROCESSES.end()
    assert readers(_KIND) == []


def test_every_kind_is_tested() -> None:
    assert {*_PACK} == {*Compression}


@each_kind
def test_a_process_that_is_killed_once_costs_nothing(kind: Compression) -> None:
    stream = _stream(kind)
    first = stream.read(1_500_000)
    assert kill_readers(_KIND) == 1
    assert first + stream.read() == _DATA
    stream.close()


@each_kind
def test_a_stream_that_ends_its_process_twice_is_damaged_and_no_other_one(
    kind: Compression,
) -> None:
    stream, other = _stream(kind), _stream(kind)
    first = stream.read(1_000_000)
    assert kill_readers(_KIND) == 1
    beginning = other.read(1)
    first += stream.read(500_000)
    [neighbour, own] = sorted(readers(_KIND), key=lambda each: each.create_time())
    own.send_signal(signal.SIGKILL)
    pieces: list[bytes] = []
    with pytest.raises(DamagedContainerError) as caught:
        pieces.extend(iter(lambda: stream.read(100), b""))
    assert str(caught.value).startswith(f"the {kind.value} data breaks after ")
    assert str(caught.value).endswith(
        "bytes: the process that decompresses ended with signal Killed"
    )
    first += b"".join(pieces)
    assert first == _DATA[: len(first)]
    # No third process is started for it.
    assert readers(_KIND) == [neighbour]
    with pytest.raises(DamagedContainerError, match="ended with signal Killed"):
        stream.read(1)
    assert beginning + other.read() == _DATA
    stream.close()


@each_kind
def test_a_process_that_hangs_is_ended(kind: Compression) -> None:
    assert _stream(kind).read(-1) == _DATA
    [idle] = readers(_KIND)
    idle.send_signal(signal.SIGSTOP)
    with pytest.raises(DamagedContainerError) as caught:
        _stream(kind, seconds=0.2).read(1)
    assert str(caught.value) == (
        f"the {kind.value} data breaks after 0 bytes: the process that decompresses took more "
        "than 0.2 s"
    )
    assert readers(_KIND) == []
    assert _stream(kind).read(-1) == _DATA


def test_a_process_that_takes_too_much_memory_reports_it_and_goes_on() -> None:
    limits = ContainerLimits(decompressor_bytes=4_000_000_000)
    file = io.BytesIO(xz_with_dictionary())
    with pytest.raises(ContainerLimitError, match="it takes more memory than it may"):
        Decompressed(file, Compression.XZ, limits).read(1)
    [before] = readers(_KIND)
    assert _stream(Compression.XZ).read(-1) == _DATA
    assert readers(_KIND) == [before]


def test_a_member_that_takes_too_much_memory_is_an_error_row() -> None:
    packed = bytearray(_lzma_of_zip(b"x" * 1000))
    packed[5:9] = (3_000_000_000).to_bytes(4, "little")
    limits = ContainerLimits(decompressor_bytes=4_000_000_000)
    with pytest.raises(BadMember, match="it takes more memory than it may"):
        unpack(bytes(packed), 14, 1000, limits)
    with pytest.raises(BadMember, match="Memory usage limit"):
        unpack(bytes(packed), 14, 1000, _LIMITS)


_MODES: dict[ContainerKind, Callable[[bytes], bytes]] = {
    ContainerKind.TAR_GZIP: gzip.compress,
    ContainerKind.TAR_BZIP2: bz2.compress,
    ContainerKind.TAR_XZ: lambda data: lzma.compress(data, preset=0),
    ContainerKind.TAR_ZSTANDARD: zstandard.compress,
}


@pytest.mark.parametrize("kind", _MODES)
def test_a_container_whose_processes_end_keeps_what_lies_before(kind: ContainerKind) -> None:
    data = _MODES[kind](tar(_PICTURES))
    listing = opened(data, kind).look()
    found = [next(listing) for _ in range(5)]
    assert kill_readers(_KIND) == 1
    while not isinstance(found[-1], MemberProblem):
        found.append(next(listing))
        if len(found) == 20:
            kill_readers(_KIND)
    assert list(listing) == []
    *members, problem = found
    assert isinstance(problem, MemberProblem)
    assert problem.error.code == "archive_damaged"
    assert [each.name for each in members] == [*_PICTURES][: len(members)]
    assert len(members) >= 20
    assert [each.name for each in opened(data, kind)] == [*_PICTURES]


@pytest.mark.parametrize("kind", _MODES)
def test_a_member_whose_processes_end_is_an_error_row_and_not_its_neighbours(
    kind: ContainerKind,
) -> None:
    container = opened(_MODES[kind](tar(_PICTURES)), kind)
    places = {each.name: each.place for each in container if isinstance(each, Member)}
    assert container.read(places["01.jpg"], 1 << 20) == _PICTURES["01.jpg"]
    kill_readers(_KIND)
    assert container.read(places["10.jpg"], 1 << 20) == _PICTURES["10.jpg"]
    kill_readers(_KIND)
    with pytest.raises(BadMember, match="the process that decompresses ended with signal Killed"):
        container.read(places["29.jpg"], 1 << 20)
    assert container.read(places["03.jpg"], 1 << 20) == _PICTURES["03.jpg"]
    container.close()


def test_a_tar_whose_process_hangs_is_damaged() -> None:
    file = Decompressed(io.BytesIO(gzip.compress(tar())), Compression.GZIP, _LIMITS, 0.2)
    assert _stream(Compression.GZIP).read(-1) == _DATA
    readers(_KIND)[0].send_signal(signal.SIGSTOP)
    with pytest.raises(DamagedContainerError, match=r"took more than 0\.2 s"):
        list(tars.entries(file, _LIMITS, MemberCounter(_LIMITS)))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_manifest_whose_processes_end_keeps_its_first_lines(suffix: str) -> None:
    lines = [f"{number:07}.jpg" for number in range(300_000)]
    pack = dict(zip((".gz", ".bz2", ".xz", ".zst"), _MODES.values(), strict=True))[suffix]
    file = io.BytesIO(pack("\n".join(lines).encode()))
    found: list[object] = []

    def read() -> None:
        for entry in manifest_files.read(file, f"a.txt{suffix}"):
            found.append(entry.value)
            if len(found) in (10, 100_000):
                assert kill_readers(_KIND) == 1

    with pytest.raises(DamagedContainerError, match="ended with signal Killed"):
        read()
    assert found == lines[: len(found)]
    assert len(found) > 100_000


@each_kind
def test_a_stream_that_is_closed_early_leaves_its_process_to_the_next(kind: Compression) -> None:
    stream = _stream(kind)
    assert stream.read(10) == _DATA[:10]
    [process] = readers(_KIND)
    stream.close()
    other = _stream(kind)
    assert other.read(1_000_000) == _DATA[:1_000_000]
    # A file that was closed begins again.
    assert stream.tell() == 0
    assert stream.read(20) == _DATA[:20]
    assert other.read() == _DATA[1_000_000:]
    assert process in readers(_KIND)
    stream.close()


def test_a_stream_that_is_forgotten_leaves_its_process_to_the_next() -> None:
    for _ in range(5):
        assert _stream(Compression.GZIP).read(10) == _DATA[:10]
    assert len(readers(_KIND)) == 1


def test_an_error_of_the_file_ends_the_process_that_waits_for_it() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    stream = Decompressed(Broken(_PACKED[Compression.GZIP]), Compression.GZIP, _LIMITS)
    with pytest.raises(OSError, match="Input/output error"):
        stream.read()
    assert readers(_KIND) == []


def test_a_local_file_is_read_by_the_process_itself(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(_PACKED[Compression.GZIP])
    with (tmp_path / "a.gz").open("rb") as file:
        assert Decompressed(file, Compression.GZIP, _LIMITS).read() == _DATA
        assert file.tell() == 0


def test_threads_read_streams_at_the_same_time() -> None:
    together = threading.Barrier(8)

    def read(number: int) -> bool:
        kind = [*_PACK][number % len(_PACK)]
        stream = _stream(kind)
        found = stream.read(1)
        together.wait()
        return found + stream.read() == _DATA

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(16))) == [True] * 16
    # The others were ended: few are kept.
    assert len(readers(_KIND)) == 4


@pytest.mark.parametrize("method", sorted(METHODS))
def test_members_are_decompressed_alike_in_this_process_and_in_others(method: int) -> None:
    pack: dict[int, Callable[[bytes], bytes]] = {
        8: _deflate,
        12: bz2.compress,
        14: _lzma_of_zip,
        93: zstandard.compress,
    }
    pack |= {95: lzma.compress, STORED: bytes}
    for size in (0, 1, 1000, 131_071, 131_072, 131_073, 1_000_000):
        data = _DATA[:size]
        packed = pack[method](data)
        assert unpack(packed, method, size, _LIMITS) == data
        assert unpack_here(packed, method, size, _LIMITS) == data
    if method != STORED:
        for function in (unpack, unpack_here):
            with pytest.raises(BadMember, match="its data is damaged: "):
                function(b"not compressed at all", method, 3_000_000, _LIMITS)


def test_a_fork_has_processes_of_its_own() -> None:
    program = """
import os, sys
from tests.images.containers.test_decompression import _DATA, _stream, Compression
stream = _stream(Compression.GZIP)
first = stream.read(1_000_000)
pid = os.fork()
assert first + stream.read() == _DATA
assert _stream(Compression.XZ).read() == _DATA
if pid:
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], env=child_process.environment())
    assert done.returncode == 0


def test_processes_end_with_the_one_that_uses_them() -> None:
    program = """
import sys
from tests.images.containers.test_decompression import _stream, Compression, readers
stream = _stream(Compression.GZIP)
stream.read(1)
print(readers("decompression_child")[0].pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env=child_process.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()


def test_stored_members_and_plain_tars_need_no_process() -> None:
    for data, kind in ((tar(), ContainerKind.TAR), (zipped(method=0), ContainerKind.ZIP)):
        container = opened(data, kind)
        for entry in list(container):
            assert isinstance(entry, Member)
            container.read(entry.place, 1 << 20)
        container.close()
    assert readers(_KIND) == []
