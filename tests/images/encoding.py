"""Pictures for tests, and encoders for formats that Pillow reads but does not write."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagebeam.images.decode import decode
from imagebeam.images.errors import DecodeError

Array = npt.NDArray[np.uint8]

ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""x and y of the first pixel and steps to the next, of each pass (PNG specification, 8.2)."""


def smooth(width: int, height: int) -> Array:
    """Return a picture without symmetry and sharp edges: two ramps and a wave, in RGB."""
    y, x = np.mgrid[0:height, 0:width]
    red = 230 * x / max(width - 1, 1)
    green = 200 * y / max(height - 1, 1) + 20
    blue = 120 + 100 * np.sin(x / width * 3 + y / height * 2)
    pixels: Array = np.stack([red, green, blue], axis=-1).round().astype(np.uint8)
    return pixels


def noise(width: int, height: int, channels: int = 3) -> Array:
    """Return pixels that no format can compress much; they are the same in every run."""
    pixels: Array = np.random.default_rng(7).integers(0, 256, (height, width, channels), np.uint8)
    return pixels


def encode(image: Image.Image | Array, kind: str, **options: Any) -> bytes:
    """Encode a picture with Pillow."""
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def same_size(data: bytes) -> Array:
    """Return the decoded pixels without resizing."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    return decode(data, (height, width), "stretch").pixels


def code_of(data: bytes, **options: Any) -> str | None:
    """Return the error code of decoding; None if it gives a picture."""
    try:
        decode(data, (8, 8), **options)
    except DecodeError as error:
        return error.code
    return None


def png_header(
    width: int, height: int, bits: int = 8, colour: int = 2, interlaced: bool = False
) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", fields)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: npt.NDArray[np.integer[Any]],
    bits: int,
    colour: int,
    *,
    transparent: Sequence[int] = (),
    interlaced: bool = False,
    after: bytes = b"",
) -> bytes:
    """Encode integer samples (H, W, channels) of `bits` each as PNG of this colour type.

    `transparent` are the samples of the tRNS chunk; `after` are chunks behind the pixels.
    """
    height, width, _ = samples.shape
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + _packed(row, bits)
        for x, y, across, down in passes
        for row in samples[y::down, x::across]
        if row.size
    )
    key = png_chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
    return (
        png_header(width, height, bits, colour, interlaced)
        + (key if transparent else b"")
        + png_chunk(b"IDAT", zlib.compress(rows))
        + after
        + png_chunk(b"IEND", b"")
    )


def _packed(row: npt.NDArray[np.integer[Any]], bits: int) -> bytes:
    """Pack the samples of a row, highest bit first, and pad to whole bytes."""
    text = "".join(f"{sample:0{bits}b}" for sample in row.ravel())
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def tiff(
    raw: bytes,
    width: int,
    height: int,
    *,
    bits: int,
    photometric: int,
    samples: int = 1,
    sample_format: int = 1,
    order: str = "<",
) -> bytes:
    """Return an uncompressed TIFF of one strip; `raw` holds the samples as the file stores them.

    `photometric`: 0 white is zero, 1 black is zero, 2 RGB, 8 LAB. `sample_format`: 1 unsigned,
    2 signed, 3 float. `order`: < little-endian, > big-endian.
    """
    # The bits per sample are stored before the pixels, because they do not fit in their field.
    depths = struct.pack(f"{order}{samples}H", *[bits] * samples)
    start = 8 + len(depths)
    fields = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, bits if samples == 1 else 8),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, start),
        (277, 3, 1, samples),
        (278, 4, 1, height),
        (279, 4, 1, len(raw)),
        (339, 3, 1, sample_format),
    ]
    directory = struct.pack(f"{order}H", len(fields))
    for tag, kind, count, value in fields:
        is_short = kind == 3 and count == 1
        shown = struct.pack(f"{order}HH", value, 0) if is_short else struct.pack(f"{order}I", value)
        directory += struct.pack(f"{order}HHI", tag, kind, count) + shown
    magic = b"II*\0" if order == "<" else b"MM\0*"
    end = struct.pack(f"{order}I", start + len(raw))
    return magic + end + depths + raw + directory + bytes(4)


def jpeg_segment(data: bytes, marker: int) -> tuple[int, int]:
    """Return the start and end of the first segment with this marker in a JPEG."""
    at = 2
    while data[at + 1] != marker:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_on_canvas(width: int, height: int) -> bytes:
    """Return an animated WebP whose header announces a canvas, with one frame of 16×16 pixels."""
    frame = encode(Image.new("RGB", (16, 16), "red"), "WEBP", lossless=True)[12:]
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    place = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4)
    body = riff_chunk(b"VP8X", b"\2\0\0\0" + canvas)
    body += riff_chunk(b"ANIM", bytes(6)) + riff_chunk(b"ANMF", place + frame)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def gif_header(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """Return a GIF that announces (width, height) of its screen and its frame, and ends."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x01\x44\0;"


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif
