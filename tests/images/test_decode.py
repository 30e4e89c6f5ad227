import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagebeam.images.decode import decode
from imagebeam.images.errors import DecodeError
from imagebeam.images.settings import Resize
from tests.images.encoding import (
    Array,
    code_of,
    encode,
    jpeg_segment,
    noise,
    png,
    png_chunk,
    same_size,
    smooth,
    with_orientation,
)


def furthest(found: Array, expected: Array) -> int:
    assert found.shape == expected.shape
    return int(np.abs(found.astype(int) - expected).max())


class TestGeometry:
    def test_the_result_holds_the_original_size(self) -> None:
        image = decode(encode(smooth(40, 30), "PNG"), (7, 9))
        assert (image.width, image.height) == (40, 30)
        assert image.pixels.shape == (7, 9, 3)
        assert image.pixels.dtype == np.uint8

    @pytest.mark.parametrize(
        ("width", "height", "target"),
        [(200, 160, (20, 20)), (160, 200, (20, 20)), (160, 160, (10, 20)), (320, 160, (20, 40))],
    )
    def test_crop_is_the_mean_over_each_cell_of_the_centre(
        self, width: int, height: int, target: tuple[int, int]
    ) -> None:
        picture = noise(width, height)
        # The largest centred part with the target's proportions, of which 7/8 are kept; chosen
        # such that each pixel of the result covers a whole number of the picture's pixels.
        cell = int(7 / 8 * min(width / target[1], height / target[0]))
        kept_height, kept_width = target[0] * cell, target[1] * cell
        top, left = (height - kept_height) // 2, (width - kept_width) // 2
        kept = picture[top : top + kept_height, left : left + kept_width].astype(float)
        cells = kept.reshape(target[0], cell, target[1], cell, 3)
        expected = cells.mean(axis=(1, 3)).round().astype(np.uint8)
        assert furthest(decode(encode(picture, "PNG"), target).pixels, expected) <= 1

    def test_crop_of_a_part_between_pixels_is_centred(self) -> None:
        ramp = np.repeat(np.arange(250, dtype=np.uint8)[None, :, None], 101, axis=0)
        found = decode(encode(np.repeat(ramp, 3, axis=2), "PNG"), (16, 16)).pixels
        side = 0.875 * 101
        centres = (250 - side) / 2 + (np.arange(16) + 0.5) * side / 16 - 0.5
        assert np.abs(found[..., 0] - centres).max() <= 1

    @pytest.mark.parametrize("size", [(50, 41), (33, 90), (8, 8), (5, 3)])
    def test_stretch_is_pillows_bilinear_of_the_whole(self, size: tuple[int, int]) -> None:
        picture = noise(*size)
        expected = Image.fromarray(picture).resize((12, 10), Image.Resampling.BILINEAR)
        found = decode(encode(picture, "PNG"), (10, 12), "stretch").pixels
        assert np.array_equal(found, np.asarray(expected))

    def test_crop_enlarges_smoothly(self) -> None:
        picture = noise(16, 16)
        expected = Image.fromarray(picture).resize(
            (40, 40), Image.Resampling.BILINEAR, box=(1, 1, 15, 15)
        )
        found = decode(encode(picture, "PNG"), (40, 40)).pixels
        assert np.array_equal(found, np.asarray(expected))

    @pytest.mark.parametrize("resize", ["crop", "stretch"])
    @pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 5000), (5000, 1), (3, 1)])
    def test_narrow_pictures_keep_their_colour(self, size: tuple[int, int], resize: Resize) -> None:
        data = encode(Image.new("RGB", size, (9, 99, 199)), "PNG")
        image = decode(data, (8, 6), resize)
        assert (image.width, image.height) == size
        assert np.array_equal(image.pixels, np.full((8, 6, 3), (9, 99, 199)))


EDGES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
"""The edges of the scene in row 0 and column 0, by EXIF 2.32, 4.6.4.A."""


def turned(upright: Array, orientation: int) -> Array:
    """Return the upright picture as a file of that orientation stores it."""
    row, column = EDGES[orientation]
    if "bottom" in (row, column):
        upright = upright[::-1]
    if "right" in (row, column):
        upright = upright[:, ::-1]
    if row in ("left", "right"):
        upright = upright.transpose(1, 0, 2)
    return np.ascontiguousarray(upright)


LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 100, "subsampling": 0},
}


class TestOrientation:
    @pytest.mark.parametrize("resize", ["crop", "stretch"])
    @pytest.mark.parametrize("orientation", EDGES)
    @pytest.mark.parametrize("kind", LOSSLESS)
    def test_pictures_are_turned_upright(self, kind: str, orientation: int, resize: Resize) -> None:
        # The crop averages 7×7 pixels: an edge between pixels is rounded to one side.
        upright = smooth(128, 96)
        data = encode(
            turned(upright, orientation), kind, exif=with_orientation(orientation), **LOSSLESS[kind]
        )
        found = decode(data, (12, 14), resize)
        expected = decode(encode(upright, kind, **LOSSLESS[kind]), (12, 14), resize)
        assert (found.width, found.height) == (128, 96)
        # A JPEG is first reduced, to 3½ pixels per result pixel, and then rounded.
        assert furthest(found.pixels, expected.pixels) <= (6 if kind == "JPEG" else 1)

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    @pytest.mark.parametrize("kind", LOSSLESS)
    def test_orientations_that_do_not_exist_are_upright(self, kind: str, orientation: int) -> None:
        picture = smooth(32, 20)
        data = encode(picture, kind, exif=with_orientation(orientation), **LOSSLESS[kind])
        found = decode(data, (8, 8))
        assert (found.width, found.height) == (32, 20)
        plain = encode(picture, kind, **LOSSLESS[kind])
        assert np.array_equal(found.pixels, decode(plain, (8, 8)).pixels)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize(
        "exif", [b"Exif\0\0", b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff"]
    )
    def test_broken_exif_is_ignored(self, kind: str, exif: bytes) -> None:
        picture = smooth(32, 20)
        found = same_size(encode(picture, kind, exif=exif, **LOSSLESS[kind]))
        assert np.array_equal(found, same_size(encode(picture, kind, **LOSSLESS[kind])))

    def test_a_png_can_hold_its_orientation_behind_its_pixels(self) -> None:
        exif = with_orientation(6).tobytes().removeprefix(b"Exif\0\0")
        data = png(smooth(32, 20), 8, 2, after=png_chunk(b"eXIf", exif))
        image = decode(data, (8, 8))
        assert (image.width, image.height) == (20, 32)


class TestFormats:
    def test_a_progressive_jpeg_equals_a_baseline_jpeg(self) -> None:
        picture = smooth(90, 60)
        progressive = encode(picture, "JPEG", progressive=True)
        assert progressive != encode(picture, "JPEG")
        assert np.array_equal(same_size(progressive), same_size(encode(picture, "JPEG")))

    @pytest.mark.parametrize("scale", [1, 10])
    def test_the_first_of_a_phones_two_pictures_is_decoded(self, scale: int) -> None:
        first, second = smooth(32 * scale, 24 * scale), noise(32 * scale, 24 * scale)
        both = encode(first, "MPO", save_all=True, append_images=[Image.fromarray(second)])
        alone = encode(first, "JPEG")
        assert len(both) > len(alone) + len(encode(second, "JPEG"))
        assert np.array_equal(decode(both, (9, 9)).pixels, decode(alone, (9, 9)).pixels)

    @pytest.mark.parametrize(
        ("kind", "options"),
        [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})],
    )
    def test_the_first_of_several_frames_is_decoded(
        self, kind: str, options: dict[str, Any]
    ) -> None:
        frames = [Image.new("RGB", (12, 9), colour) for colour in ("lime", "red", "blue")]
        data = encode(
            frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options
        )
        assert np.array_equal(same_size(data), np.full((9, 12, 3), (0, 255, 0)))

    def test_a_gif_frame_smaller_than_its_screen_is_on_white(self) -> None:
        frame = encode(Image.new("P", (4, 4)), "GIF")
        image, end = frame.index(b",", 13), frame.rindex(b";")
        # A screen of 8×8 whose only frame is at 2, 2; its transparent index fills the rest.
        control = b"\x21\xf9\x04\x01\0\0\x01\0"
        head = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 1, 0) + b"\x10\x20\x30\xff\0\0"
        place = b"," + struct.pack("<HHHH", 2, 2, 4, 4)
        data = head + control + place + frame[image + 9 : end] + b";"
        expected = np.full((8, 8, 3), 255, np.uint8)
        expected[2:6, 2:6] = 0x10, 0x20, 0x30
        assert np.array_equal(same_size(data), expected)

    def test_a_big_tiff_is_decoded(self) -> None:
        picture = noise(12, 9)
        assert np.array_equal(same_size(encode(picture, "TIFF", big_tiff=True)), picture)

    @pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
    def test_a_compressed_tiff_is_decoded(self, compression: str) -> None:
        picture = noise(12, 9)
        assert np.array_equal(same_size(encode(picture, "TIFF", compression=compression)), picture)


class TestReducedJpeg:
    """A side of 16 pixels cuts 7/8 of the shorter side: from 74 pixels on that is 2 × 2 × 16."""

    @staticmethod
    def _both_ways(picture: Array) -> tuple[Array, Array]:
        """Return the pixels of a JPEG, and those of a PNG with the pixels of the whole JPEG."""
        data = encode(picture, "JPEG", quality=90)
        whole = same_size(data)
        return decode(data, (16, 16)).pixels, decode(encode(whole, "PNG"), (16, 16)).pixels

    def test_below_twice_the_size_every_pixel_is_decoded(self) -> None:
        found, whole = self._both_ways(noise(73, 200))
        assert np.array_equal(found, whole)

    def test_detail_is_skipped_from_twice_the_size(self) -> None:
        found, whole = self._both_ways(noise(74, 200))
        assert not np.array_equal(found, whole)

    @pytest.mark.parametrize("scale", [74, 147, 293, 1200])
    def test_skipped_detail_changes_little(self, scale: int) -> None:
        found, whole = self._both_ways(smooth(scale, scale * 4 // 3))
        assert np.abs(found.astype(int) - whole).mean() < 4

    @pytest.mark.parametrize("name", ["parrot.jpg", "hot_dog.jpg", "cat_720p.jpg"])
    def test_photos_equal_their_lossless_copies(self, reference: Path, name: str) -> None:
        data = (reference / "photos" / name).read_bytes()
        whole = decode(encode(same_size(data), "PNG"), (96, 96))
        found = decode(data, (96, 96))
        assert (found.width, found.height) == (whole.width, whole.height)
        assert np.abs(found.pixels.astype(int) - whole.pixels).mean() < 4


class TestMoreFormats:
    @pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
    def test_modern_formats_are_decoded(self, kind: str, mode: str) -> None:
        picture = Image.fromarray(smooth(64, 48)).convert(mode)
        found = same_size(encode(picture, kind))
        assert np.abs(found.astype(int) - np.asarray(picture.convert("RGB"))).mean() < 4

    def test_heic_is_decoded_or_names_its_package(self) -> None:
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.register_heif_opener()
        found = same_size(encode(smooth(64, 48), "HEIF", quality=95))
        assert np.abs(found.astype(int) - smooth(64, 48)).mean() < 4

    @pytest.mark.parametrize("mode", ["RGB", "L", "1"])
    def test_portable_maps_are_decoded(self, mode: str) -> None:
        picture = Image.fromarray(smooth(13, 7)).convert(mode)
        expected = np.asarray(picture.convert("RGB"))
        assert np.array_equal(same_size(encode(picture, "PPM")), expected)

    @pytest.mark.parametrize(
        "data",
        [
            b"P2 2 1 255 0 255",
            b"P3\n# text\n2 1\n255\n0 0 0 255 255 255",
            b"P5 2 1 65535\n" + bytes([0, 9, 255, 255]),
            b"P6 2 1 65535\n" + bytes([0, 9] * 3 + [255, 255] * 3),
        ],
    )
    def test_other_portable_maps_are_refused(self, data: bytes) -> None:
        assert same_size(data).tolist() == [[[0] * 3, [255] * 3]]

    @pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
    @pytest.mark.parametrize("compression", [None, "tga_rle"])
    def test_tga_is_decoded(self, mode: str, compression: str | None) -> None:
        picture = Image.fromarray(smooth(13, 7)).convert(mode)
        expected = np.asarray(picture.convert("RGB"))
        found = same_size(encode(picture, "TGA", compression=compression))
        assert np.array_equal(found, expected)

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b"8BPS\0\1" + bytes(100), "Photoshop"),
            (b"\xff\x0a" + bytes(100), "JPEG XL"),
            (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
            (b"\0\0\0\x18ftypcrx \0\0", "Canon raw"),
        ],
    )
    def test_a_known_unsupported_kind_is_named(self, data: bytes, kind: str) -> None:
        with pytest.raises(DecodeError, match=f"of the kind {kind}. Convert it"):
            decode(data, (8, 8))

    @pytest.mark.parametrize(
        ("data", "kind"),
        [(b"\n<!doctype html><p>404", "web page"), (b"\0\0\0\x18ftypisom\0\0", "video")],
    )
    def test_content_that_is_not_a_picture_is_named(self, data: bytes, kind: str) -> None:
        with pytest.raises(DecodeError, match=f"the content is a {kind}, not a picture"):
            decode(data, (8, 8))

    def test_unknown_content_is_not_shown(self) -> None:
        with pytest.raises(DecodeError) as caught:
            decode(b"root:x:0:0:password", (8, 8))
        assert "root" not in str(caught.value)


class TestWhatIsWhole:
    """A picture is decoded if all its pixels are there."""

    PNG = encode(smooth(24, 17), "PNG")

    @staticmethod
    def chunks() -> dict[str, bytes]:
        text = zlib.compress(b"x" * 2_000_000)
        wrong = bytearray(png_chunk(b"tEXt", b"Comment\0hello"))
        wrong[-1] ^= 1
        return {
            "text": png_chunk(b"zTXt", b"w\0\0" + text),
            "international text": png_chunk(b"iTXt", b"w\0\1\0\0\0" + text),
            "profile": png_chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 2_000_000)),
            "wrong checksum": bytes(wrong),
            "unknown": png_chunk(b"abCd", b"?" * 99),
            "much text": b"".join(
                png_chunk(b"zTXt", b"%d\0\0" % n + zlib.compress(b"y" * 1_000_000))
                for n in range(70)
            ),
        }

    @pytest.mark.parametrize(
        "name", ["text", "international text", "profile", "wrong checksum", "unknown", "much text"]
    )
    @pytest.mark.parametrize("at", [33, -12])
    def test_chunks_that_change_no_pixel_are_ignored(self, name: str, at: int) -> None:
        data = self.PNG[:at] + self.chunks()[name] + self.PNG[at:]
        assert np.array_equal(decode(data, (17, 24), "stretch").pixels, smooth(24, 17))

    def test_chunks_that_matter_are_kept(self) -> None:
        sound = encode(noise(12, 9, 4), "PNG", exif=with_orientation(6))
        data = sound[:33] + self.chunks()["text"] + sound[33:]
        assert np.array_equal(decode(data, (8, 8)).pixels, decode(sound, (8, 8)).pixels)

    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
    def test_a_jpeg_without_its_end_mark_is_truncated(self, options: dict[str, Any]) -> None:
        data = encode(noise(64, 48), "JPEG", **options)
        assert np.array_equal(same_size(data[:-2]), same_size(data))
        assert code_of(data[:-1]) in (None, "truncated")
        for missing in (12, 100, len(data) // 2):
            assert code_of(data[:-missing]) == "truncated"

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
    def test_truncated_pictures_are_decoded_on_request(self, kind: str) -> None:
        data = encode(noise(64, 48), kind)
        cut = data[: len(data) * 3 // 4]
        assert code_of(cut) == "truncated"
        found = code_of(cut, truncated="accept")
        assert found is None or (kind, found) in (("WEBP", "truncated"), ("TIFF", "truncated"))
        assert code_of(cut) == "truncated"

    def test_a_gif_is_white_outside_its_first_frame(self) -> None:
        palette = b"\0\xff\0" + b"\xff\0\0" + bytes(3 * 6)
        frame = b"," + struct.pack("<HHHHB", 2, 1, 2, 2, 0) + b"\x03\x02\x99\x00\x00"
        pixels = encode(Image.new("P", (2, 2), 1), "GIF")
        data = pixels[pixels.index(b"\x2c") + 10 :]
        head = b"GIF89a" + struct.pack("<HHBBB", 6, 5, 0x82, 0, 0) + palette
        frame = b"," + struct.pack("<HHHHB", 2, 1, 2, 2, 0)
        found = same_size(head + frame + data)
        expected = np.full((5, 6, 3), 255)
        expected[1:3, 2:4] = found[1, 2]
        assert np.array_equal(found, expected)
        assert found[1, 2].tolist() in ([255, 0, 0], [0, 255, 0])

    @pytest.mark.parametrize(
        ("bits", "masks"),
        [
            (32, (0x3FF00000, 0x000FFC00, 0x000003FF)),
            (32, (0x000000FF, 0x0000FF00, 0x00FF0000)),
            (16, (0xF000, 0x0F00, 0x00F0)),
            (16, (0x000F, 0x00F0, 0x0F00)),
        ],
    )
    @pytest.mark.parametrize("up", [1, -1])
    def test_a_bmp_with_any_bit_masks_is_decoded(
        self, bits: int, masks: tuple[int, int, int], up: int
    ) -> None:
        colours = np.array([[[255, 0, 0], [0, 255, 0], [255] * 3], [[0, 0, 255], [0] * 3, [0] * 3]])
        rows = b""
        for row in colours[::-up]:
            packed = [
                sum(mask for mask, value in zip(masks, pixel, strict=True) if value)
                for pixel in row
            ]
            stored = b"".join(value.to_bytes(bits // 8, "little") for value in packed)
            rows += stored + bytes(-len(stored) % 4)
        header = struct.pack("<IiiHHIIiiII", 40, 3, 2 * up, 1, bits, 3, len(rows), 0, 0, 0, 0)
        header += struct.pack("<III", *masks)
        start = 14 + len(header)
        data = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + rows
        assert np.array_equal(decode(data, (2, 3), "stretch").pixels, colours)
        assert code_of(data[:-1]) == "truncated"

    def test_intact_unsupported_kinds_are_not_called_damaged(self) -> None:
        jpeg = bytearray(encode(smooth(32, 24), "JPEG"))
        at, _ = jpeg_segment(bytes(jpeg), 0xC0)
        for position, value in ((at + 1, 0xC3), (at + 4, 12)):
            rare = bytearray(jpeg)
            rare[position] = value
            assert code_of(bytes(rare)) == "unsupported_pixels"
