"""Find the format of a picture, and whether it can be decoded here."""

from functools import cache

from PIL import AvifImagePlugin, features

from imagebeam.images import signatures
from imagebeam.images.errors import UnsupportedFormat
from imagebeam.images.foreign_kinds import foreign_kind

_CONVERT = "Convert it to JPEG or PNG"


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
            else f"the content is {foreign_kind(data) or 'not that of a known kind of picture'}"
        )
    if name == "HEIF" and not _has_heif():
        raise UnsupportedFormat("a HEIC picture. Run `pip install pillow-heif`")
    if name == "AVIF" and not _has_avif():
        raise UnsupportedFormat("an AVIF picture, which this build of Pillow does not decode")
    return name


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
