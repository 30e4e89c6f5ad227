import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagebeam.images.decode import decode
from imagebeam.images.errors import CODES, DecodeError
from tests.images.encoding import (
    code_of,
    encode,
    gif_header,
    jpeg_segment,
    noise,
    png,
    png_chunk,
    png_header,
    smooth,
    webp_on_canvas,
    with_orientation,
)


class TestRefusals:
    def test_no_bytes_are_an_empty_file(self) -> None:
        assert code_of(b"") == "empty_file"

    @pytest.mark.parametrize(
        "data",
        [
            b"<!DOCTYPE html><html><body>404</body></html>",
            b"BMW, Citroen, Fiat: a list of cars in a file that is named .bmp",
            b"8BPS\0\1" + bytes(100),
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
            b"%PDF-1.7\n" + bytes(100),
            b"RIFF\x64\0\0\0WAVEfmt " + bytes(100),
            b"\0",
            b"a",
            bytes(1000),
            encode(Image.new("RGB", (32, 32)), "ICO"),
            encode(Image.new("RGB", (32, 32)), "ICNS"),
            encode(Image.new("RGB", (32, 32)), "PDF"),
        ],
    )
    def test_other_formats_are_refused(self, data: bytes) -> None:
        assert code_of(data) == "unsupported_format"

    def test_no_other_program_is_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ghostscript = tmp_path / "gs"
        ghostscript.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/canary\n")
        ghostscript.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        picture = encode(Image.new("RGB", (32, 32)), "EPS")
        (tmp_path / "picture.eps").write_bytes(picture)
        # The trap works: Pillow by itself runs it.
        open_alone = (
            "import sys\nfrom PIL import Image\n"
            "try: Image.open(sys.argv[1]).load()\nexcept OSError: pass"
        )
        subprocess.run([sys.executable, "-c", open_alone, tmp_path / "picture.eps"], check=True)
        (tmp_path / "canary").unlink()
        assert code_of(picture) == "unsupported_format"
        assert not (tmp_path / "canary").exists()

    def test_a_picture_at_the_pixel_limit_is_decoded(self) -> None:
        data = encode(smooth(40, 30), "PNG")
        assert code_of(data, max_pixels=1200) is None
        assert code_of(data, max_pixels=1199) == "too_many_pixels"

    def test_a_jpeg_decoded_at_reduced_size_can_have_four_times_the_pixels(self) -> None:
        data = encode(smooth(400, 300), "JPEG")
        assert code_of(data, max_pixels=30_000) is None
        assert code_of(data, max_pixels=29_999) == "too_many_pixels"
        progressive = encode(smooth(400, 300), "JPEG", progressive=True)
        assert code_of(progressive, max_pixels=119_999) == "too_many_pixels"
        assert code_of(progressive, max_pixels=120_000) is None

    def test_bombs_are_refused_from_their_header_without_memory(self, tmp_path: Path) -> None:
        bombs = {
            "png": png_header(60_000, 60_000) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""),
            "gif screen": gif_header((65_535, 65_535), (1, 1)),
            "gif frame": gif_header((1, 1), (65_535, 65_535)),
            "webp": webp_on_canvas(60_000, 60_000),
            "bmp": encode(smooth(4, 4), "BMP").replace(
                struct.pack("<ii", 4, 4), struct.pack("<ii", 100_000, 100_000)
            ),
        }
        jpeg = encode(smooth(4, 4), "JPEG")
        frame, _ = jpeg_segment(jpeg, 0xC0)
        bombs["jpeg"] = jpeg[: frame + 5] + struct.pack(">HH", 65_500, 65_500) + jpeg[frame + 9 :]
        for name, data in bombs.items():
            (tmp_path / name).write_bytes(data)
        # 64 MB more than the interpreter and its libraries need.
        child = (
            "import resource, sys\nfrom pathlib import Path\n"
            "from tests.images.encoding import code_of, encode, smooth\n"
            "code_of(encode(smooth(4, 4), 'WEBP'))\n"
            "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
            "limit = pages * resource.getpagesize() + 64 * 2**20\n"
            "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
            "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
            "    print(path.name, code_of(path.read_bytes()))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", child, tmp_path], check=True, capture_output=True, text=True
        )
        assert done.stdout.splitlines() == [f"{name} too_many_pixels" for name in sorted(bombs)]


SEEDS = {
    "jpeg": encode(smooth(24, 17), "JPEG", exif=with_orientation(6)),
    "progressive": encode(smooth(24, 17), "JPEG", progressive=True),
    "cmyk": encode(Image.new("CMYK", (17, 9), (9, 99, 199, 50)), "JPEG"),
    "mpo": encode(
        smooth(17, 9), "MPO", save_all=True, append_images=[Image.fromarray(smooth(17, 9))]
    ),
    "png": encode(noise(11, 7, 4), "PNG", exif=with_orientation(6)),
    "interlaced": png(noise(11, 7).astype(int), 16, 2, interlaced=True, transparent=[1, 2, 3]),
    "palette": encode(Image.fromarray(noise(11, 7)).quantize(7), "PNG", transparency=b"\0\x80"),
    "webp": encode(smooth(24, 17), "WEBP", exif=with_orientation(6)),
    "lossless": encode(noise(11, 7, 4), "WEBP", lossless=True),
    "animated": webp_on_canvas(40, 40),
    "gif": encode(Image.fromarray(noise(11, 7)), "GIF"),
    "bmp": encode(noise(11, 7), "BMP"),
    "tiff": encode(noise(11, 7), "TIFF", exif=with_orientation(6)),
    "lzw": encode(noise(11, 7), "TIFF", compression="tiff_lzw"),
    "tiff jpeg": encode(smooth(24, 17), "TIFF", compression="jpeg"),
    "big tiff": encode(noise(11, 7), "TIFF", big_tiff=True),
}

damages = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut"]), st.floats(0, 1), st.binary(max_size=4)
    ),
    min_size=1,
    max_size=6,
)


def damaged(data: bytes, damage: list[tuple[str, float, bytes]]) -> bytes:
    for kind, share, new in damage:
        at = int(share * len(data))
        match kind:
            case "set":
                data = data[:at] + new + data[at + len(new) :]
            case "insert":
                data = data[:at] + new + data[at:]
            case "delete":
                data = data[:at] + data[at + len(new) :]
            case _:
                data = data[: max(at, len(data) // 2)]
    return data


def check_damaged(name: str, damage: list[tuple[str, float, bytes]]) -> None:
    try:
        image = decode(damaged(SEEDS[name], damage), (6, 5), max_pixels=1_000_000)
    except DecodeError as error:
        outcome: object = type(error)
    else:
        outcome = image.pixels.shape
    assert outcome in (*CODES.values(), (6, 5, 3))


class TestDamage:
    def test_the_seeds_are_valid(self) -> None:
        assert {name: code_of(data) for name, data in SEEDS.items()} == dict.fromkeys(SEEDS)

    @settings(max_examples=400)
    @given(name=st.sampled_from(sorted(SEEDS)), damage=damages)
    def test_damage_ends_in_a_picture_or_a_listed_error(
        self, name: str, damage: list[tuple[str, float, bytes]]
    ) -> None:
        check_damaged(name, damage)

    @pytest.mark.slow
    @settings(max_examples=20_000)
    @given(name=st.sampled_from(sorted(SEEDS)), damage=damages)
    def test_much_damage_ends_in_pictures_or_listed_errors(
        self, name: str, damage: list[tuple[str, float, bytes]]
    ) -> None:
        check_damaged(name, damage)

    @settings(max_examples=200)
    @given(
        start=st.sampled_from([data[:8] for data in SEEDS.values()]), rest=st.binary(max_size=300)
    )
    def test_random_data_behind_a_valid_start_is_a_listed_error(
        self, start: bytes, rest: bytes
    ) -> None:
        code = code_of(start + rest, max_pixels=1_000_000)
        assert code is None or issubclass(CODES[code], DecodeError)
