import gzip
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagebeam.images import signatures
from imagebeam.images.decode import decode
from imagebeam.images.errors import UnsupportedFormat
from tests.images.containers.archives import zipped
from tests.images.encoding import (
    code_of,
    encode,
    jpeg_segment,
    noise,
    png,
    png_chunk,
    same_size,
    smooth,
    webp_on_canvas,
)

PICTURE = noise(128, 96)


def with_thumbnail() -> bytes:
    """Return a JPEG whose header contains a JPEG with an end mark, as cameras write it."""
    whole = encode(PICTURE, "JPEG")
    thumbnail = encode(smooth(64, 48), "JPEG")
    body = b"Exif\0\0" + thumbnail
    return whole[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + whole[2:]


def two_pictures() -> bytes:
    return encode(
        PICTURE,
        "MPO",
        save_all=True,
        append_images=[Image.fromarray(np.ascontiguousarray(PICTURE))],
    )


WHOLE: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encode(PICTURE, "JPEG"),
    "progressive jpeg": lambda: encode(PICTURE, "JPEG", progressive=True),
    "cmyk jpeg": lambda: encode(Image.fromarray(noise(128, 96, 4), "CMYK"), "JPEG"),
    "jpeg with thumbnail": with_thumbnail,
    "png": lambda: encode(PICTURE, "PNG"),
    "interlaced png": lambda: png(PICTURE.astype(int), 8, 2, interlaced=True),
    "16-bit png": lambda: png(PICTURE.astype(int) * 257, 16, 2),
    "webp": lambda: encode(PICTURE, "WEBP", quality=95),
    "lossless webp": lambda: encode(PICTURE, "WEBP", lossless=True),
    "animated webp": lambda: encode(
        PICTURE, "WEBP", save_all=True, append_images=[Image.fromarray(PICTURE[::-1])], quality=95
    ),
    "gif": lambda: encode(PICTURE, "GIF"),
    "bmp": lambda: encode(PICTURE, "BMP"),
    "tiff": lambda: encode(PICTURE, "TIFF"),
    "lzw tiff": lambda: encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "big tiff": lambda: encode(PICTURE, "TIFF", big_tiff=True),
    "avif": lambda: encode(PICTURE, "AVIF", quality=95),
    "jpeg 2000": lambda: encode(PICTURE, "JPEG2000"),
    "jpeg 2000 without boxes": lambda: encode(PICTURE, "JPEG2000", no_jp2=True),
}


@pytest.mark.parametrize("sixteenths", range(1, 16))
@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_ends_early_is_truncated(kind: str, sixteenths: int) -> None:
    data = WHOLE[kind]()
    assert code_of(data) is None
    assert code_of(data[: len(data) * sixteenths // 16]) == "truncated"


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_ends_within_its_first_bytes_is_an_error(kind: str) -> None:
    data = WHOLE[kind]()
    for end in range(1, 40):
        assert code_of(data[:end]) in ("truncated", "unsupported_format", "corrupt")


def test_the_second_of_two_pictures_can_be_truncated() -> None:
    first = encode(PICTURE, "JPEG")
    cut = two_pictures()[: len(first) + 2000]
    assert len(cut) > len(first)
    assert np.array_equal(same_size(cut), same_size(first))


def test_a_png_with_all_pixels_is_whole_without_its_end_mark() -> None:
    data = encode(PICTURE, "PNG")
    assert np.array_equal(same_size(data[:-12]), PICTURE)


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "lossless webp", "bmp", "tiff"])
def test_bytes_behind_the_end_are_ignored(kind: str) -> None:
    data = WHOLE[kind]()
    assert np.array_equal(same_size(data + bytes(100)), same_size(data))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {})],
)
def test_a_whole_file_with_a_damaged_header_is_corrupt(kind: str, options: dict[str, Any]) -> None:
    data = bytearray(encode(smooth(32, 24), kind, **options))
    match kind:
        case "JPEG":
            at, _ = jpeg_segment(bytes(data), 0xC0)
            data[at + 4] = 77  # bits per sample
        case "PNG":
            data[24] = 77  # bits per sample, and so the checksum
        case "WEBP":
            data[20] = 0  # VP8L's own signature
        case "GIF":
            data[4] = ord("x")  # the version
        case _:
            data[28] = 77  # bits per pixel
    assert code_of(bytes(data)) == "corrupt"


def test_the_canvas_of_an_extended_webp_is_read_from_its_header() -> None:
    assert signatures.webp_canvas(webp_on_canvas(300, 77)) == (300, 77)
    assert signatures.webp_canvas(encode(smooth(30, 20), "WEBP")) == (0, 0)
    assert signatures.webp_canvas(b"RIFF") == (0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures_written_by_pillow_are_recognised_and_whole(kind: str) -> None:
    data = encode(smooth(32, 24), kind)
    assert signatures.format_of(data) is not None
    assert not signatures.ends_early(data)
    assert signatures.is_tiff(data) == (kind == "TIFF")


@pytest.mark.parametrize(("mode", "is_big"), [("I;16", False), ("I;16B", False), ("I;16", True)])
def test_tiffs_of_either_byte_order_and_size_are_recognised(mode: str, is_big: bool) -> None:
    data = encode(Image.new(mode, (4, 3)), "TIFF", big_tiff=is_big)
    assert data[:2] == (b"MM" if mode == "I;16B" else b"II")
    assert (b"+" in data[2:4]) is is_big
    assert signatures.is_tiff(data)
    assert not signatures.ends_early(data)
    assert signatures.ends_early(data[:-1])


def test_a_big_tiff_of_the_order_that_pillow_does_not_read_is_another_format() -> None:
    data = encode(Image.new("I;16B", (4, 3)), "TIFF", big_tiff=True)
    assert data.startswith(b"MM\0+")
    assert code_of(data) == "unsupported_format"


def tiff(*entries: tuple[int, int], mark: bytes = b"", pixels: bytes = bytes(12)) -> bytes:
    """Return a TIFF of 2×2 RGB pixels with further fields of one number each."""
    start = 8 + len(mark)
    fields = {256: 2, 257: 2, 258: 8, 259: 1, 262: 2, 277: 3, 278: 2, 279: 12, **dict(entries)}
    fields[273] = start + 2 + 12 * (len(fields) + 1) + 4
    body = b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    head = b"II*\0" + struct.pack("<I", start) + mark + struct.pack("<H", len(fields))
    return head + body + bytes(4) + pixels


def test_a_preview_in_a_raw_file_is_not_the_picture() -> None:
    subfile_type, subdirectories = 254, 330
    assert code_of(tiff()) is None
    assert code_of(tiff((subfile_type, 0), (subdirectories, 8))) is None
    assert code_of(tiff((subfile_type, 1), (subdirectories, 8))) == "unsupported_format"
    assert code_of(tiff(mark=b"CR\2\0")) == "unsupported_format"


@pytest.mark.parametrize("brand", [b"mif1", b"miaf", b"MA1B"])
def test_the_brands_behind_the_first_tell_the_kind(brand: bytes) -> None:
    data = encode(PICTURE, "AVIF")
    assert data[8:12] == b"avif"
    other = data[:8] + brand + data[12:16] + b"avif" + data[20:]
    pixels, expected = (decode(each, (96, 128), "stretch").pixels for each in (other, data))
    assert np.array_equal(pixels, expected)


def test_rubbish_in_place_of_boxes_is_corrupt() -> None:
    data = encode(PICTURE, "AVIF")
    (size,) = struct.unpack(">I", data[:4])
    assert code_of(data[:size] + b"\x7f\x12\xc9\x33\xe8\x91" * 50) == "corrupt"


def test_half_an_end_mark_of_a_jpeg_is_none() -> None:
    data = encode(PICTURE, "JPEG")
    assert np.array_equal(same_size(data[:-1]), same_size(data))


def test_a_pointer_of_git_lfs_is_no_picture() -> None:
    data = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    with pytest.raises(UnsupportedFormat) as caught:
        decode(data, (4, 4))
    assert str(caught.value) == (
        "the content is a pointer of Git LFS. Fetch the file itself with `git lfs pull`"
    )


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg/>", "of the kind SVG"),
        (b"\1\0\0\0" + bytes(36) + b" EMF", "of the kind Windows metafile"),
        (b"ID3\3" + bytes(20), "a sound, not a picture"),
        (b"\0\5\x16\7" + bytes(20), "what macOS notes about another file. Leave it out"),
        (bytes(999), "nothing but zero bytes: it was never written, or is lost"),
        (zipped({"a.jpg": b"1"}), "a zip archive, not a picture"),
        (gzip.compress(b"1", mtime=0), "compressed by gzip. Decompress it"),
        (b'{"error": "gone"}', "text, not a picture. A server's message may have been saved in"),
        (b"\x90\x91\x92\x93" * 200, "not that of a known kind of picture"),
    ],
)
def test_content_that_is_no_picture_is_named(data: bytes, content: str) -> None:
    with pytest.raises(UnsupportedFormat, match=f"^the content is {re.escape(content)}"):
        decode(data, (4, 4))


def test_unknown_chunks_are_skipped() -> None:
    picture = noise(6, 5)
    data = png(picture, 8, 2, after=png_chunk(b"juNk", bytes(10)))
    assert np.array_equal(same_size(data), picture)
