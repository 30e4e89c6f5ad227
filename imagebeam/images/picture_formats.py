"""Find the format of a picture, and whether it can be decoded here."""

from functools import cache

from PIL import AvifImagePlugin, features

from imagebeam.images import signatures
from imagebeam.images.errors import UnsupportedFormat
from imagebeam.images.foreign_kinds import foreign_kind

_CONVERT = "Convert it to JPEG or PNG"
_TEXT_BYTES = 512
_FIRST_OF_TEXT = ord("\t")


def format_of_picture(data: bytes) -> str:
    """Return Pillow's name of the format. No other decoder runs.

    Raises:
        UnsupportedFormat: no decoder here reads it.
    """
    name = signatures.format_of(data)
    if name == "TIFF" and signatures.is_camera_raw(data):
        raise UnsupportedFormat(f"the content is of the kind camera raw. {_CONVERT}")
    if name is None:
        kind = signatures.other_kind(data)
        if kind in signatures.NOT_PICTURES:
            raise UnsupportedFormat(f"the content is a {kind}, not a picture")
        raise UnsupportedFormat(
            f"the content is of the kind {kind}. {_CONVERT}"
            if kind
            else f"the content is {foreign_kind(data) or _described(data)}"
        )
    if name == "HEIF" and not _has_heif():
        raise UnsupportedFormat("a HEIC picture. Run `pip install pillow-heif`")
    if name == "AVIF" and not _has_avif():
        raise UnsupportedFormat("an AVIF picture, which this build of Pillow cannot decode")
    return name


def _described(data: bytes) -> str:
    if not data.strip(b"\0"):
        return "nothing but zero bytes: it was never written, or is lost"
    if data.startswith(b"PK\3\4"):
        return "a zip archive, not a picture"
    if data.startswith(b"\x1f\x8b"):
        return "compressed by gzip. Decompress it"
    if data[:_TEXT_BYTES].isascii() and all(byte >= _FIRST_OF_TEXT for byte in data[:_TEXT_BYTES]):
        return "text, not a picture. A server's message may have been saved in its place"
    return "not that of a known kind of picture"


@cache
def _has_heif() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    # A decoding process has one core.
    pillow_heif.options.DECODE_THREADS = 1
    return True


@cache
def _has_avif() -> bool:
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return bool(features.check("avif"))
