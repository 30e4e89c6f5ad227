"""Fetch the bytes of one image, within a limit."""

from imagebeam.images import uris
from imagebeam.images.digests import verify_digest
from imagebeam.images.errors import (
    BadMember,
    ImageError,
    UnsupportedScheme,
    translate_store_errors,
)
from imagebeam.images.listed_image import ImageLocation
from imagebeam.storage import Settings
from imagebeam.storage.errors import WrongLength
from imagebeam.storage.local import LocalStore

_LOCAL = LocalStore(Settings())


FetchRequest = ImageLocation | bytes | ImageError
"""A local file or a member of a local tar, bytes fetched already, or the error in fetching them."""


def fetch(request: FetchRequest, max_bytes: int) -> bytes:
    """Return the bytes of one image, which have the digest that the location states.

    Args:
        request: the location, the bytes themselves, or an error.
        max_bytes: more than this is refused, before it is read where the size is known.

    Raises:
        ImageError: a leaf of FetchError, or the error in the request; nothing else.
    """
    match request:
        case bytes():
            return request
        case ImageError():
            raise request
    data = _read(request, max_bytes)
    if request.digest:
        verify_digest(data, request.digest)
    return data


def _read(request: ImageLocation, max_bytes: int) -> bytes:
    if (scheme := uris.scheme(request.address)) != "file":
        raise UnsupportedScheme(f"{scheme}:// cannot be read")
    with translate_store_errors():
        if request.kind is None:
            return _LOCAL.read(request.address, max_bytes)
        start, size = request.place
        try:
            return _LOCAL.read(request.address, max_bytes, start, size, request.version)
        except WrongLength as error:
            raise BadMember(f"the archive ends early: {error}") from error
