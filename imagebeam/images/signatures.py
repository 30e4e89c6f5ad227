"""Inspect encoded bytes before they are decoded: find the format and check the end."""

import re
from io import BytesIO
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_SUBFILE_TYPE, _SUBDIRECTORIES = 254, 330
_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC_INTERPRETATION = 258, 259, 262
_STRIP_OFFSETS, _STRIP_BYTE_COUNTS, _TILE_OFFSETS, _TILE_BYTE_COUNTS = 273, 279, 324, 325

# Pillow reads the mark in either byte order, and BigTIFF, the last, in one.
_TIFF = (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"II+\0")

_FORMATS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG",
    "GIF": rb"GIF8",
    "WEBP": rb"RIFF....WEBP",
    # The length of the next header: two letters alone would make a BMP of many texts.
    "BMP": rb"BM............[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "TIFF": b"|".join(map(re.escape, _TIFF)),
    # The first brand may be one that both have; the others follow it, and a version.
    "AVIF": rb"....ftyp(?:....){0,12}?(?:avif|avis)",
    "HEIF": rb"....ftyp(?:....){0,12}?(?:heic|heix|heim|heis|hevc|hevx|mif1|msf1)",
    "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "PPM": rb"P[1-6][ \t\r\n#]",
    # The format has no mark: no colour map or one, a kind, a position, a size, a depth.
    "TGA": rb".(\x00[\x02\x03\x0a\x0b]\x00{5}|\x01[\x01\x09].{5})"
    rb".{4}(?!\x00\x00)..(?!\x00\x00)..[\x08\x0f\x10\x18\x20][\x00-\x3f]",
}
_KNOWN = {name: re.compile(pattern, re.DOTALL) for name, pattern in _FORMATS.items()}

_OTHERS = {
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    "Photoshop": rb"8BPS",
    "icon": rb"\x00\x00[\x01\x02]\x00[\x01-\x40]\x00|icns",
    "SVG": rb"(\xef\xbb\xbf)?(\s|<\?xml[^>]*>|<!--.*?-->)*<(svg|!DOCTYPE\s+svg)",
    "PDF": rb"%PDF-",
    "PostScript": rb"%!PS|\xc5\xd0\xd3\xc6",
    "OpenEXR": rb"\x76\x2f\x31\x01",
    "Radiance HDR": rb"#\?(RADIANCE|RGBE)",
    "DICOM": rb".{128}DICM",
    "QOI": rb"qoif",
    "DirectDraw": rb"DDS ",
    "BPG": rb"BPG\xfb",
    "Windows metafile": rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF",
    "bitmap without its file header": rb"[\x28\x6c\x7c]\0{3}.{8}\x01\0[\x01\x04\x08\x10\x18\x20]\0",
    "DjVu": rb"AT&TFORM",
    "MNG": rb"\x8aMNG",
    "FLIF": rb"FLIF",
    "JPEG XR": rb"II\xbc[\0\1]",
    "CorelDRAW": rb"RIFF....CDR",
    "KTX texture": rb"\xabKTX ",
    "GIMP": rb"gimp xcf",
    "Canon raw": rb"....ftypcrx |II..\0\0HEAPCCDR",
    "Fujifilm raw": rb"FUJIFILMCCD-RAW",
    "camera raw": rb"II(RO|RS|U\0)|MMOR|FOVb|\0MRM",
    "FITS": rb"SIMPLE  = {20}T",
    "PCX": rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]",
    "SGI": rb"\x01\xda[\x00\x01][\x01\x02]",
    "portable arbitrary or float map": rb"P7\n|P[Ff]\s",
    "bitmap in C source": rb"#define \S+_width |/\* XPM \*/",
    "big-endian BigTIFF": rb"MM\0\+",
    "video": rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI |\0\0\x01[\xb3\xba]|FLV\x01|G.{187}G.{187}G"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "sound": rb"ID3|fLaC|OggS|RIFF....WAVE",
    "web page": rb"\s*<(!DOCTYPE html|html|head)",
}
_OTHER = {
    name: re.compile(pattern, re.DOTALL | (re.IGNORECASE if name == "web page" else 0))
    for name, pattern in _OTHERS.items()
}
NOT_PICTURES = frozenset(("video", "sound", "web page"))
_LOOKED_AT = 2048

_RARE_COMPRESSIONS = {
    34712: "JPEG 2000",
    34887: "LERC",
    50000: "zstd",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_LOSSLESS_FRAMES = (0xC3, 0xC7, 0xCB, 0xCF)
_YCBCR = 6
_CR2 = b"CR"
_CR2_AT = 8
_IS_PREVIEW = 1
_JPEG_END = b"\xff\xd9"
_CODESTREAM = b"\xff\x4f\xff\x51"
_SIZE_FOLLOWS = 1


def format_of(data: bytes) -> str | None:
    """Return Pillow's name of the format that the data start as, of those that are decoded."""
    return next((name for name, mark in _KNOWN.items() if mark.match(data)), None)


def other_kind(data: bytes) -> str | None:
    """Return what the data are if they are of a known kind that is not decoded."""
    start = data[:_LOOKED_AT]
    return next((name for name, mark in _OTHER.items() if mark.match(start)), None)


def is_tiff(data: bytes) -> bool:
    """Return whether the data start as a TIFF that Pillow may read."""
    return data.startswith(_TIFF)


def is_camera_raw(data: bytes) -> bool:
    """Return whether a TIFF is a camera's raw file, whose first picture is only a preview."""
    if not is_tiff(data):
        return False
    if data[_CR2_AT : _CR2_AT + len(_CR2)] == _CR2:
        return True
    try:
        directory = _tiff_directory(data)
        kind = directory.get(_SUBFILE_TYPE, 0)
        return bool(kind & _IS_PREVIEW and _SUBDIRECTORIES in directory)
    # The directory itself is damaged.
    except Exception:
        return False


def webp_canvas(data: bytes) -> tuple[int, int]:
    """Return (width, height) of an extended WebP, whose canvas Pillow allocates; else (0, 0).

    https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
    """
    if data[8:16] != b"WEBPVP8X":
        return 0, 0
    width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    return width + 1, height + 1


def unsupported_pixels(data: bytes) -> str | None:
    """Return why a sound picture of a known format cannot be decoded; None if it should be."""
    if data.startswith(b"\xff\xd8"):
        return _rare_jpeg(data)
    return _rare_tiff(data) if is_tiff(data) else None


def ends_early(data: bytes) -> bool:
    """Return whether the data lack their end, by the end mark or length that the format has."""
    match format_of(data):
        case "JPEG":
            return _jpeg_ends_early(data)
        case "PNG":
            return b"IEND" not in data[-64 * 1024 :]
        case "GIF":
            return not data.rstrip(b"\0").endswith(b";")
        case "WEBP":
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case "BMP":
            return len(data) < int.from_bytes(data[2:6], "little")
        case "TIFF":
            return _tiff_ends_early(data)
        case "AVIF" | "HEIF" | "JPEG2000":
            return _boxes_end_early(data)
        case _:
            return False


def _jpeg_segments(data: bytes) -> list[tuple[int, int]]:
    """Return kind and position of each segment before the pixels; the last is where they start."""
    at, found = 2, []
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in (b"\xda", b""):
        found.append((data[at + 1], at))
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return [*found, (0xDA, at)]


def _jpeg_ends_early(data: bytes) -> bool:
    # A thumbnail in the header has an end mark of its own.
    (_, scan) = _jpeg_segments(data)[-1]
    return _JPEG_END not in data[scan:]


def _boxes_end_early(data: bytes) -> bool:
    """Return whether the last box of a file (ISO/IEC 14496-12) is not all there."""
    if data.startswith(_CODESTREAM):
        return not data.endswith(_JPEG_END)
    at = 0
    while 0 <= at < len(data):
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == _SIZE_FOLLOWS:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size == 0:
            # The box reaches to the end of the file.
            return data[at + 4 : at + 8] == b"jp2c" and not data.endswith(_JPEG_END)
        if size < header or not data[at + 4 : at + 8].isascii():
            # Damage, and not a cut.
            return False
        at += size
    return at > len(data)


def _rare_jpeg(data: bytes) -> str | None:
    for kind, at in _jpeg_segments(data)[:-1]:
        if kind in _LOSSLESS_FRAMES:
            return "a lossless JPEG"
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            bits = int.from_bytes(data[at + 4 : at + 5], "big")
            return f"a JPEG of {bits} bits per sample" if 8 < bits <= 16 else None
    return None


def _tiff_directory(data: bytes) -> "ImageFileDirectory_v2":
    # A worker asks for formats only and needs no Pillow, which takes 0.02 s to import.
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    is_big = data[2:3] == b"+"
    directory = ImageFileDirectory_v2(data[: 16 if is_big else 8])
    file = BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    return directory


def _rare_tiff(data: bytes) -> str | None:
    try:
        directory = _tiff_directory(data)
        compression = directory.get(_COMPRESSION, 1)
        if compression in _RARE_COMPRESSIONS:
            return f"a TIFF compressed by {_RARE_COMPRESSIONS[compression]}"
        if directory.get(_PHOTOMETRIC_INTERPRETATION) == _YCBCR and compression not in (6, 7):
            return "a TIFF of YCbCr without JPEG compression"
        bits = directory.get(_BITS_PER_SAMPLE, (1,))
        if len(set(bits)) > 1 or bits[0] not in (1, 2, 4, 8, 12, 16):
            return f"a TIFF of {', '.join(map(str, bits))} bits per sample"
    # The directory itself is damaged.
    except Exception:
        return None
    return None


def _tiff_ends_early(data: bytes) -> bool:
    try:
        directory = _tiff_directory(data)
        starts = directory.get(_STRIP_OFFSETS) or directory[_TILE_OFFSETS]
        lengths = directory.get(_STRIP_BYTE_COUNTS) or directory.get(_TILE_BYTE_COUNTS) or (0,)
        return bool(max(map(add, starts, lengths)) > len(data))
    # The directory itself is not all there.
    except Exception:
        return True
