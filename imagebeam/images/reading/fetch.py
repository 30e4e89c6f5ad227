"""Fetch the bytes of one image, within a limit."""

from typing import NamedTuple

from imagebeam.images import uris
from imagebeam.images.containers import zips
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.images.containers.window import Window, check_span
from imagebeam.images.containers.zip_methods import Unpack, unpack
from imagebeam.images.digests import verify_digest
from imagebeam.images.errors import BadMember, ImageError, UnsupportedScheme, translate_store_errors
from imagebeam.images.listed_image import ImageLocation
from imagebeam.storage import Settings
from imagebeam.storage.errors import WrongLength
from imagebeam.storage.local import LocalStore

_LOCAL = LocalStore(Settings())
_LIMITS = ContainerLimits()


class ZipMember(NamedTuple):
    """A member of a zip as it lies there.

    Attributes:
        data: the part of the zip that reading it takes.
        place: the place of the member in the zip.
        digest: the digest that its content must have; see `ImageLocation`.
    """

    data: bytes
    place: tuple[int, ...]
    digest: str


FetchRequest = ImageLocation | ZipMember | bytes | ImageError
"""A local file or a member of a local tar or zip, bytes fetched already, or the error in fetching
them."""


def bytes_held(request: FetchRequest) -> int:
    """Return the number of fetched bytes in a request."""
    match request:
        case bytes():
            return len(request)
        case ZipMember():
            return len(request.data)
        case _:
            return 0


def fetch(request: FetchRequest, max_bytes: int, unpack: Unpack = unpack) -> bytes:
    """Return the bytes of one image, which have the digest that the location states.

    Args:
        request: the location, the bytes themselves, or an error.
        max_bytes: more than this is refused, before it is read where the size is known.
        unpack: decompresses members of zips.

    Raises:
        ImageError: a leaf of FetchError, or the error in the request; nothing else.
    """
    match request:
        case bytes():
            return request
        case ImageError():
            raise request
        case ZipMember():
            data = _of_zip(request.data, request.place, max_bytes, unpack)
        case ImageLocation():
            data = _read(request, max_bytes, unpack)
    if request.digest:
        verify_digest(data, request.digest)
    return data


def _of_zip(part: bytes, place: tuple[int, ...], max_bytes: int, unpack: Unpack) -> bytes:
    start, _ = zips.span(place)
    return zips.read(Window(part, start), place, max_bytes, _LIMITS, unpack)


def _read(location: ImageLocation, max_bytes: int, unpack: Unpack) -> bytes:
    if (scheme := uris.scheme(location.address)) != "file":
        raise UnsupportedScheme(f"{scheme}:// cannot be read")
    with translate_store_errors():
        if location.kind is None:
            return _LOCAL.read(location.address, max_bytes)
        is_zip = location.container is ContainerKind.ZIP
        start, size = zips.span(location.place) if is_zip else location.place
        most = max_bytes
        if is_zip:
            check_span(size, max_bytes)
            most = size
        try:
            data = _LOCAL.read(location.address, most, start, size, location.version)
        except WrongLength as error:
            raise BadMember(f"the archive ends early: {error}") from error
    return _of_zip(data, location.place, max_bytes, unpack) if is_zip else data
