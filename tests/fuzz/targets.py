"""The targets of fuzzing: their seeds, and the properties that hold for any input."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from PIL import Image

from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits, Member, MemberSelection
from imagebeam.images.decode import decode
from imagebeam.images.errors import DecodeError, ImageError
from imagebeam.images.settings import Truncation
from tests.fuzz import mutations
from tests.fuzz.module_targets import MODULES
from tests.fuzz.output_targets import OUTPUT_FILES
from tests.fuzz.target import Target
from tests.images.containers.archives import arrow, example, parquet, tar, tfrecords, zipped
from tests.images.encoding import encode, noise, png, smooth

_LIMITS = ContainerLimits(
    members=1000, ratio_from=10_000_000, total_bytes=100_000_000, decompressor_bytes=80_000_000
)
_PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
_MEMBERS = {"a.jpg": _PICTURE, "folder/ü.png": b"second" * 99, "b": _PICTURE, "c.gif": b""}


def _container(kind: ContainerKind, **selection: Any) -> Callable[[bytes], object]:
    """List a container and read all its members; every outcome must be a row."""
    chosen = MemberSelection(**selection)

    def check(data: bytes) -> None:
        entries = list(open_container(io.BytesIO(data), kind, chosen, _LIMITS))
        names = [entry.name for entry in entries if entry.name]
        assert len(names) == len(set(names)), "two rows have the same name"
        unnamed = [entry for entry in entries if not entry.name]
        assert len(unnamed) <= 2, "more than two rows are about the container"
        for entry in entries:
            assert len(entry.kept) in (0, len(chosen.keep))
            if isinstance(entry, Member):
                container = open_container(io.BytesIO(data), entry.kind, chosen, _LIMITS)
                try:
                    assert len(container.read(entry.place, 1_000_000)) <= 1_000_000
                except ImageError:
                    pass
                finally:
                    container.close()

    return check


def _picture(data: bytes) -> None:
    """Decode a picture; the outcome must be pixels of the requested size or a listed error."""
    modes: tuple[Truncation, ...] = get_args(Truncation)
    for truncated in modes:
        try:
            image = decode(data, (6, 5), "crop", 300_000, truncated)
        except DecodeError:
            continue
        assert image.pixels.shape == (6, 5, 3)
        assert image.pixels.dtype == np.uint8


_BITS = Image.fromarray(noise(40, 30, 1)[..., 0]).convert("1")
_STRUCTS = pa.array(
    [{"bytes": _PICTURE, "path": f"{n}.jpg"} for n in range(40)],
    pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
)
_NESTED = tar(
    {"n.zip": zipped(_MEMBERS), "n.tar.gz": tar(_MEMBERS, "w:gz"), "n.tar": tar(_MEMBERS)}
)
_BESIDE = _MEMBERS | {
    "a.json": b'{"a": {"b": [1, "x"]}}',
    "a.cls": b"7",
    "folder/\u00fc.json": b'{"a": 1}',
    "b.cls": b"\xff",
}
_KEEP = ("cls", "json.a", "json.a.b")
_RECORDS = tfrecords(
    *(example(image__encoded=value, name=name.encode()) for name, value in _MEMBERS.items())
)

TARGETS: dict[str, Target] = {
    "tar": Target(
        [tar(), tar(_MEMBERS), _NESTED], mutations.damage_tar, _container(ContainerKind.TAR)
    ),
    "tar.gz": Target(
        [tar(_MEMBERS, "w:gz"), gzip.compress(_NESTED)],
        mutations.inside(
            gzip.decompress, lambda data: gzip.compress(data, 1), mutations.damage_tar
        ),
        _container(ContainerKind.TAR_GZIP),
    ),
    "tar.bz2": Target(
        [tar(_MEMBERS, "w:bz2")],
        mutations.inside(bz2.decompress, bz2.compress, mutations.damage_tar),
        _container(ContainerKind.TAR_BZIP2),
    ),
    "tar.xz": Target(
        [tar(_MEMBERS, "w:xz")],
        mutations.inside(
            lzma.decompress, lambda data: lzma.compress(data, preset=0), mutations.damage_tar
        ),
        _container(ContainerKind.TAR_XZ),
    ),
    "zip": Target(
        [zipped(_MEMBERS), zipped({"n.zip": zipped(_MEMBERS), "n.tar": tar(_MEMBERS)})],
        mutations.damage_zip,
        _container(ContainerKind.ZIP),
    ),
    "tar with files beside": Target(
        [tar(_BESIDE), tar({"n.zip": zipped(_BESIDE), "n.tar": tar(_BESIDE)})],
        mutations.damage_tar,
        _container(ContainerKind.TAR, keep=_KEEP),
    ),
    "zip with files beside": Target(
        [zipped(_BESIDE), zipped({"n.zip": zipped(_BESIDE), "n.tar": tar(_BESIDE)})],
        mutations.damage_zip,
        _container(ContainerKind.ZIP, keep=_KEEP),
    ),
    "tfrecord with features": Target(
        [_RECORDS],
        mutations.damage_records,
        _container(ContainerKind.TFRECORD, keep=("name", "image/encoded", "gone")),
    ),
    "tfrecord": Target(
        [_RECORDS], mutations.damage_records, _container(ContainerKind.TFRECORD, id_key="name")
    ),
    "tfrecord.gz": Target(
        [gzip.compress(_RECORDS)],
        mutations.inside(gzip.decompress, gzip.compress, mutations.damage_records),
        _container(ContainerKind.TFRECORD_GZIP),
    ),
    "parquet": Target(
        [parquet({"image": _STRUCTS, "id": [str(n % 9) for n in range(40)]}, 30)],
        mutations.damage,
        _container(ContainerKind.PARQUET, id_key="id"),
    ),
    "arrow": Target(
        [
            arrow(pa.table({"image": _STRUCTS[:7], "id": [*"abcabcd"]}), is_file)
            for is_file in (True, False)
        ],
        mutations.damage,
        _container(ContainerKind.PARQUET, id_key="id"),
    ),
    "jpeg": Target(
        [
            encode(smooth(64, 48), "JPEG"),
            encode(smooth(64, 48), "JPEG", progressive=True),
            encode(Image.new("CMYK", (17, 9), (9, 99, 199, 50)), "JPEG"),
        ],
        mutations.damage,
        _picture,
    ),
    "png": Target(
        [
            encode(noise(11, 7, 4), "PNG"),
            png(noise(11, 7).astype(int), 16, 2, interlaced=True, transparent=[1, 2, 3]),
            encode(Image.fromarray(noise(11, 7)).quantize(7), "PNG", transparency=b"\0\x80"),
        ],
        mutations.damage_png,
        _picture,
    ),
    "gif": Target(
        [
            encode(Image.fromarray(noise(11, 7)), "GIF"),
            encode(Image.fromarray(noise(11, 7)).quantize(7), "GIF", transparency=1),
        ],
        mutations.damage,
        _picture,
    ),
    "webp": Target(
        [encode(smooth(24, 17), "WEBP"), encode(noise(11, 7, 4), "WEBP", lossless=True)],
        mutations.damage,
        _picture,
    ),
    "tiff": Target(
        [
            *(
                encode(smooth(24, 17), "TIFF", compression=compression)
                for compression in (None, "tiff_lzw", "jpeg", "tiff_deflate", "packbits")
            ),
            *(encode(_BITS, "TIFF", compression=kind) for kind in ("group3", "group4")),
            encode(noise(11, 7), "TIFF", big_tiff=True),
        ],
        mutations.damage,
        _picture,
    ),
    "bmp": Target([encode(noise(11, 7), "BMP"), encode(_BITS, "BMP")], mutations.damage, _picture),
    "avif": Target([encode(smooth(24, 17), "AVIF")], mutations.damage, _picture),
    "jpeg 2000": Target([encode(smooth(24, 17), "JPEG2000")], mutations.damage, _picture),
    "portable maps": Target(
        [encode(smooth(24, 17), "PPM"), b"P3 2 1 255 0 0 0 9 9 9", b"P5 2 1 65535\n\0\1\2\3"],
        mutations.damage,
        _picture,
    ),
    "tga": Target(
        [encode(noise(11, 7), "TGA"), encode(smooth(11, 7), "TGA", compression="tga_rle")],
        mutations.damage,
        _picture,
    ),
}
TARGETS |= OUTPUT_FILES | MODULES
"""All kinds of input, by name."""
