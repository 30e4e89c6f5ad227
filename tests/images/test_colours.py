"""Test every mode and bit depth that `imagebeam.images.decode` names against NumPy."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from imagebeam.images.decode import decode
from imagebeam.images.errors import UnsupportedPixels
from tests.images.encoding import (
    Array,
    code_of,
    encode,
    jpeg_segment,
    noise,
    png,
    same_size,
    smooth,
    tiff,
)

WIDTH, HEIGHT = 24, 16
GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6
SIXTEEN = np.random.default_rng(3).integers(0, 1 << 16, (HEIGHT, WIDTH, 4), dtype=np.uint16)
EIGHT = noise(WIDTH, HEIGHT, 4)


def repeated(grey: npt.NDArray[Any]) -> Array:
    return np.repeat(grey.reshape(HEIGHT, WIDTH, 1).astype(np.uint8), 3, axis=2)


def on_white(colours: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> Array:
    """Blend with white: the colour has the share alpha, white has the rest."""
    share = alpha.astype(float)[..., None] / 255
    blended = np.round(colours * share + 255 * (1 - share)).astype(np.uint8)
    return np.broadcast_to(blended, (HEIGHT, WIDTH, 3))


def assert_near(found: Array, expected: Array, levels: int) -> None:
    assert np.abs(found.astype(int) - expected).max() <= levels


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_one_bit_is_black_and_white(kind: str) -> None:
    bits = EIGHT[..., 0] > 127
    data = encode(Image.fromarray(bits), kind)
    assert np.array_equal(same_size(data), repeated(bits * 255))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_greyscale_is_repeated(kind: str) -> None:
    data = encode(EIGHT[..., 0], kind)
    assert np.array_equal(same_size(data), repeated(EIGHT[..., 0]))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_rgb_is_unchanged(kind: str) -> None:
    data = encode(EIGHT[..., :3], kind)
    assert np.array_equal(same_size(data), EIGHT[..., :3])


def test_lossless_webp_is_unchanged() -> None:
    data = encode(EIGHT[..., :3], "WEBP", lossless=True)
    assert np.array_equal(same_size(data), EIGHT[..., :3])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("interlaced", [False, True])
def test_few_bits_of_grey_span_black_to_white(bits: int, interlaced: bool) -> None:
    levels = EIGHT[..., :1] >> (8 - bits)
    data = png(levels, bits, GREY, interlaced=interlaced)
    white = (1 << bits) - 1
    assert np.array_equal(same_size(data), repeated(levels.astype(int) * 255 // white))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palettes_are_looked_up(kind: str) -> None:
    colours = np.array([[10, 20, 30], [200, 100, 0], [0, 255, 255], [255, 255, 255]], np.uint8)
    indices = EIGHT[..., 0] % 4
    image = Image.fromarray(indices, "L").convert("P")
    image.putpalette(colours.tobytes())
    assert np.array_equal(same_size(encode(image, kind)), colours[indices])


def test_alpha_per_palette_entry_is_laid_over_white() -> None:
    colours = np.array([[10, 20, 30], [200, 100, 0], [0, 255, 255], [9, 9, 9]], np.uint8)
    alpha = np.array([0, 64, 191, 255], np.uint8)
    indices = EIGHT[..., 0] % 4
    image = Image.fromarray(indices, "L").convert("P")
    image.putpalette(colours.tobytes())
    found = same_size(encode(image, "PNG", transparency=alpha.tobytes()))
    assert_near(found, on_white(colours[indices], alpha[indices]), 1)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_white(kind: str) -> None:
    colours = np.array([[10, 20, 30], [200, 100, 0]], np.uint8)
    indices = EIGHT[..., 0] % 2
    image = Image.fromarray(indices, "L").convert("P")
    image.putpalette(colours.tobytes())
    found = same_size(encode(image, kind, transparency=1))
    assert np.array_equal(found, np.array([[10, 20, 30], [255, 255, 255]], np.uint8)[indices])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha_is_laid_over_white(kind: str) -> None:
    data = encode(Image.fromarray(EIGHT[..., :2], "LA"), kind)
    assert_near(same_size(data), on_white(EIGHT[..., :1], EIGHT[..., 1]), 1)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})]
)
def test_rgb_with_alpha_is_laid_over_white(kind: str, options: dict[str, Any]) -> None:
    data = encode(EIGHT, kind, **options)
    assert_near(same_size(data), on_white(EIGHT[..., :3], EIGHT[..., 3]), 1)


@pytest.mark.parametrize(("bits", "key"), [(1, 0), (1, 1), (2, 1), (2, 3), (4, 5), (8, 77)])
def test_a_transparent_grey_is_white_at_any_depth(bits: int, key: int) -> None:
    levels = EIGHT[..., :1] >> (8 - bits)
    levels[0, 0] = key
    shown = np.where(levels == key, 255, levels.astype(int) * 255 // ((1 << bits) - 1))
    assert np.array_equal(same_size(png(levels, bits, GREY, transparent=[key])), repeated(shown))


def test_a_transparent_16_bit_grey_is_white() -> None:
    levels = SIXTEEN[..., :1].copy()
    levels[0, :2, 0] = 0x1234, 0x1235
    shown = np.where(levels == 0x1234, 255, levels >> 8)
    assert np.array_equal(same_size(png(levels, 16, GREY, transparent=[0x1234])), repeated(shown))


def test_a_transparent_colour_is_white() -> None:
    colours = EIGHT[..., :3].copy()
    colours[0, 0] = 1, 2, 3
    colours[0, 1] = 3, 2, 1
    shown = np.where((colours == [1, 2, 3]).all(axis=2, keepdims=True), 255, colours)
    assert np.array_equal(same_size(png(colours, 8, RGB, transparent=[1, 2, 3])), shown)


def test_a_transparent_16_bit_colour_is_white() -> None:
    colours = SIXTEEN[..., :3].copy()
    colours[0, 0] = 0x1234, 0x5678, 0x9ABC
    # A colour whose upper bits are the lower bits of the transparent one is not transparent.
    colours[0, 1] = 0x3400, 0x7800, 0xBC00
    shown = colours >> 8
    shown[0, 0] = 255
    data = png(colours, 16, RGB, transparent=[0x1234, 0x5678, 0x9ABC])
    assert np.array_equal(same_size(data), shown)


@pytest.mark.parametrize("interlaced", [False, True])
def test_16_bit_pngs_keep_their_upper_8(interlaced: bool) -> None:
    upper = SIXTEEN >> 8
    grey = png(SIXTEEN[..., :1], 16, GREY, interlaced=interlaced)
    assert np.array_equal(same_size(grey), repeated(upper[..., 0]))
    colour = png(SIXTEEN[..., :3], 16, RGB, interlaced=interlaced)
    assert np.array_equal(same_size(colour), upper[..., :3])
    grey_alpha = png(SIXTEEN[..., :2], 16, GREY_ALPHA, interlaced=interlaced)
    assert_near(same_size(grey_alpha), on_white(upper[..., :1], upper[..., 1]), 1)
    colour_alpha = png(SIXTEEN, 16, RGB_ALPHA, interlaced=interlaced)
    assert_near(same_size(colour_alpha), on_white(upper[..., :3], upper[..., 3]), 1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_tiffs_keep_their_upper_8(order: str, channels: int) -> None:
    samples = SIXTEEN[..., :channels]
    raw = samples.astype(f"{order}u2").tobytes()
    photometric = 1 if channels == 1 else 2
    options = {"bits": 16, "photometric": photometric, "samples": channels, "order": order}
    found = same_size(tiff(raw, WIDTH, HEIGHT, **options))  # type: ignore[arg-type]
    assert np.array_equal(found, np.broadcast_to(samples >> 8, found.shape))


@pytest.mark.parametrize("bits", [8, 16])
def test_white_can_be_zero(bits: int) -> None:
    samples = SIXTEEN[..., 0] >> (16 - bits)
    raw = samples.astype(f"<u{bits // 8}").tobytes()
    found = same_size(tiff(raw, WIDTH, HEIGHT, bits=bits, photometric=0))
    assert np.array_equal(found, repeated(255 - (samples >> (bits - 8))))


def test_12_bits_keep_their_upper_8() -> None:
    samples = SIXTEEN[..., 0] >> 4
    text = "".join(f"{sample:012b}" for sample in samples.ravel())
    raw = int(text, 2).to_bytes(len(text) // 8, "big")
    found = same_size(tiff(raw, WIDTH, HEIGHT, bits=12, photometric=1))
    assert np.array_equal(found, repeated(samples >> 4))


@pytest.mark.parametrize(
    ("dtype", "bits", "sample_format", "pixels"),
    [
        ("<u4", 32, 1, "32-bit integers"),
        ("<i4", 32, 2, "32-bit integers with a sign"),
        ("<i2", 16, 2, "16-bit integers with a sign"),
        ("<f4", 32, 3, "32-bit floating-point numbers"),
        (
            "<f8",
            64,
            3,
            "a TIFF of 64 bits per sample is not decoded. Convert it to 8 bits per channel",
        ),
    ],
)
def test_pixels_without_an_agreed_black_and_white_are_refused(
    dtype: str, bits: int, sample_format: int, pixels: str
) -> None:
    raw = EIGHT[..., 0].astype(dtype).tobytes()
    data = tiff(raw, WIDTH, HEIGHT, bits=bits, photometric=1, sample_format=sample_format)
    assert refused_pixels(data) == pixels


def refused_pixels(data: bytes) -> str:
    """Return what the error says that the pixels are."""
    with pytest.raises(UnsupportedPixels) as caught:
        decode(data, (HEIGHT, WIDTH))
    rest = ", without an agreed black and white. Convert it to 8 bits per channel"
    return str(caught.value).removeprefix("its pixels are ").removesuffix(rest)


@pytest.mark.parametrize(("channels", "dtype", "bits"), [(3, "<f4", 32), (5, "u1", 8)])
def test_unsupported_kinds_of_tiff_are_refused(channels: int, dtype: str, bits: int) -> None:
    raw = np.zeros((HEIGHT, WIDTH, channels), dtype).tobytes()
    options = {"bits": bits, "photometric": 2, "samples": channels, "sample_format": 3}
    data = tiff(raw, WIDTH, HEIGHT, **options)  # type: ignore[arg-type]
    assert code_of(data) == "unsupported_pixels"


def test_lab_is_refused() -> None:
    data = encode(Image.new("LAB", (WIDTH, HEIGHT)), "TIFF")
    assert refused_pixels(data) == "colours in CIELAB"


INKS = (30, 90, 150, 60)
"""Cyan, magenta, yellow and black, 255 is full."""


def printed(inks: tuple[int, ...]) -> list[int]:
    """Return the light that the inks leave of white: an ink takes its share, black takes all."""
    *colours, black = inks
    return [round((255 - ink) * (255 - black) / 255) for ink in colours]


def test_a_cmyk_tiff_is_converted() -> None:
    found = same_size(encode(Image.new("CMYK", (WIDTH, HEIGHT), INKS), "TIFF"))
    assert_near(found, np.array(printed(INKS), np.uint8), 1)


@pytest.mark.parametrize("marked", [True, False])
def test_cmyk_jpeg_is_stored_inverted_with_or_without_adobes_mark(marked: bool) -> None:
    data = encode(Image.new("CMYK", (WIDTH, HEIGHT), INKS), "JPEG", quality=100)
    start, end = jpeg_segment(data, 0xEE)
    assert data[start + 4 : end].startswith(b"Adobe")
    if not marked:
        data = data[:start] + data[end:]
    assert_near(same_size(data), np.array(printed(INKS), np.uint8), 2)


def test_a_ycck_jpeg_is_converted() -> None:
    # Pillow writes no YCCK: four stored planes are declared as Y, Cb, Cr and K.
    y, cb, cr, k = stored = (120, 110, 150, 200)
    plain = Image.new("CMYK", (WIDTH, HEIGHT), tuple(255 - level for level in stored))
    data = encode(plain, "JPEG", quality=100)
    _, end = jpeg_segment(data, 0xEE)
    assert data[end - 1] == 0
    data = data[: end - 1] + b"\2" + data[end:]
    red = y + 1.402 * (cr - 128)
    green = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    blue = y + 1.772 * (cb - 128)
    # The file's RGB is the inverse of its inks, and its inks are stored inverted once more.
    inks = tuple(round(level) for level in (red, green, blue)), 255 - k
    assert_near(same_size(data), np.array(printed((*inks[0], inks[1])), np.uint8), 3)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_ycbcr_jpeg_is_converted(subsampling: int) -> None:
    colour = (200, 40, 90)
    data = encode(
        Image.new("RGB", (WIDTH, HEIGHT), colour), "JPEG", quality=100, subsampling=subsampling
    )
    assert_near(same_size(data), np.array(colour, np.uint8), 2)


def test_a_ycbcr_tiff_is_converted() -> None:
    picture = smooth(WIDTH, HEIGHT)
    data = encode(picture, "TIFF", compression="jpeg", quality=100)
    assert np.abs(same_size(data).astype(int) - picture).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_are_within_a_tolerance(kind: str) -> None:
    picture = smooth(WIDTH * 4, HEIGHT * 4)
    found = same_size(encode(picture, kind, quality=95))
    assert np.abs(found.astype(int) - picture).mean() < 2


def test_grey_jpeg_is_repeated() -> None:
    found = same_size(encode(Image.new("L", (WIDTH, HEIGHT), 77), "JPEG", quality=100))
    assert np.array_equal(found, np.full((HEIGHT, WIDTH, 3), 77))


def test_a_run_length_encoded_bmp_is_decoded() -> None:
    # Two rows from the bottom: four pixels of index 1; then indices 0, 2, 0 and 1.
    palette = b"\x0a\x14\x1e\0" + b"\xff\0\0\0" + b"\0\xff\0\0"
    pixels = b"\4\1\0\0" + b"\0\3\0\2\0\0" + b"\1\1" + b"\0\1"
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(pixels), 0, 0, 3, 0)
    data = (
        b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + palette + pixels
    )
    dark, blue, green = [30, 20, 10], [0, 0, 255], [0, 255, 0]
    assert same_size(data).tolist() == [[dark, green, dark, blue], [blue] * 4]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_broken_colour_profile_changes_nothing(kind: str) -> None:
    options: dict[str, Any] = {"quality": 90} if kind in ("JPEG", "WEBP") else {}
    picture = smooth(WIDTH, HEIGHT)
    broken = encode(picture, kind, icc_profile=b"no profile at all", **options)
    assert np.array_equal(same_size(broken), same_size(encode(picture, kind, **options)))
