import bz2
import gzip
import io
import lzma
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.errors import ContainerLimitError, DamagedContainerError
from imagebeam.images.containers.kinds import Compression, ContainerKind
from imagebeam.images.containers.streams import Decompressed
from imagebeam.images.containers.types import ContainerLimits, Member
from tests.images.containers.archives import tar

NO_LIMITS = ContainerLimits()


class CountedReads(io.BytesIO):
    """A file that counts the bytes that are read from it."""

    count = 0

    def read(self, *arguments: Any) -> bytes:
        data = super().read(*arguments)
        self.count += len(data)
        return data


def test_members_in_order_are_decompressed_once() -> None:
    pictures = {f"{n:03}.jpg": bytes(range(256)) * 50 + b"%d" % n for n in range(100)}
    file = CountedReads(tar(pictures, "w:gz"))
    container = open_container(file, ContainerKind.TAR_GZIP)
    places = [entry.place for entry in container if isinstance(entry, Member)]
    whole = file.count
    assert len(places) == 100
    for place, data in zip(places, pictures.values(), strict=True):
        assert container.read(place, 1 << 20) == data
    assert file.count <= 2 * whole
    assert container.read(places[3], 1 << 20) == pictures["003.jpg"]


def test_concatenated_streams_are_read() -> None:
    parts = (b"one", b"two" * 1000, b"")
    for compress, compression in (
        (gzip.compress, Compression.GZIP),
        (lzma.compress, Compression.XZ),
        (bz2.compress, Compression.BZIP2),
        (zstandard.compress, Compression.ZSTANDARD),
    ):
        data = b"".join(map(compress, parts))
        assert Decompressed(io.BytesIO(data), compression, NO_LIMITS).read() == b"".join(parts)


def test_a_skippable_frame_is_skipped() -> None:
    frame = zstandard.compress(b"data" * 1000)
    skipped = struct.pack("<II", 0x184D2A50, 5) + b"12345"
    data = io.BytesIO(skipped + frame + skipped + frame)
    read = Decompressed(data, Compression.ZSTANDARD, NO_LIMITS).read()
    assert read == b"data" * 2000


@pytest.mark.parametrize(
    ("compress", "compression"),
    [
        (gzip.compress, Compression.GZIP),
        (bz2.compress, Compression.BZIP2),
        (lzma.compress, Compression.XZ),
        (zstandard.compress, Compression.ZSTANDARD),
    ],
)
def test_a_stream_that_breaks_off_is_damaged(
    compress: Callable[[bytes], bytes], compression: Compression
) -> None:
    data = compress(random.Random(1).randbytes(10_000))
    for end in (len(data) - 1, len(data) - 100, 1000, 20):
        stream = Decompressed(io.BytesIO(data[:end]), compression, NO_LIMITS)
        with pytest.raises(DamagedContainerError, match=f"the {compression.value} data breaks"):
            stream.read()


def test_members_before_a_cut_in_a_bzip2_stream_are_kept() -> None:
    pictures = {f"{n:02}.jpg": random.Random(n).randbytes(50_000) for n in range(50)}
    data = tar(pictures, "w:bz2")
    cut = data[: len(data) // 2]
    there = len(bz2.BZ2Decompressor().decompress(cut))
    headers = range(0, there - 511, 512 + 98 * 512)
    found = list(open_container(io.BytesIO(cut), ContainerKind.TAR_BZIP2))
    names = [entry.name for entry in found if isinstance(entry, Member)]
    assert names == [f"{n:02}.jpg" for n in range(len(headers))]
    assert len(names) > 10
    assert [entry.name for entry in found[len(names) :]] == [""]


def test_an_endless_stream_is_given_up() -> None:
    data = io.BytesIO(gzip.compress(b"\0" * 5_000_000))
    limits = ContainerLimits(ratio=10, ratio_from=1_000_000)
    with pytest.raises(ContainerLimitError, match="over 10 times as many"):
        Decompressed(data, Compression.GZIP, limits).seek(5_000_000)
    with pytest.raises(ContainerLimitError, match="more than 2,000,000 bytes"):
        Decompressed(data, Compression.GZIP, ContainerLimits(total_bytes=2_000_000)).seek(5_000_000)


def test_a_stream_that_needs_too_much_memory_is_refused() -> None:
    data = lzma.compress(b"x" * 100, preset=9)
    limits = ContainerLimits(decompressor_bytes=1_000_000)
    with pytest.raises(DamagedContainerError, match="xz data breaks after 0 bytes"):
        Decompressed(io.BytesIO(data), Compression.XZ, limits).read(1)


def test_a_disk_error_is_not_damage() -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    for compression in (Compression.GZIP, Compression.BZIP2, Compression.XZ):
        with pytest.raises(OSError, match="Input/output error"):
            Decompressed(Broken(), compression, NO_LIMITS).read(1)
