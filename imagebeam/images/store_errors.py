"""What goes wrong in a store, as an error of the image that was to be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from imagebeam.images import errors
from imagebeam.storage import errors as stores

_LEAVES: dict[type[stores.StoreError], type[errors.FetchError]] = {
    stores.Missing: errors.NotFound,
    stores.Denied: errors.PermissionDenied,
    stores.NoCredentials: errors.NoCredentials,
    stores.TooLarge: errors.FileTooLarge,
    stores.TimedOut: errors.FetchTimeout,
    stores.Throttled: errors.Throttled,
    stores.ConnectionFailed: errors.ConnectionFailed,
    stores.ServerFailed: errors.ReadFailed,
    stores.WrongLength: errors.WrongBytes,
    stores.WrongChecksum: errors.WrongBytes,
    stores.Changed: errors.Changed,
    stores.BlockedAddress: errors.BlockedAddress,
    stores.TooManyRedirects: errors.TooManyRedirects,
    stores.OptedOut: errors.OptedOut,
    stores.NotAnObject: errors.NotAFile,
    stores.Unsupported: errors.UnsupportedScheme,
}


def leaf(error: stores.StoreError) -> errors.FetchError:
    """The image's error for a store's."""
    return _LEAVES[type(error)](str(error))


@contextmanager
def mapped() -> Iterator[None]:
    """Raise a store's error as the image's, and one of the disk likewise."""
    try:
        yield
    except stores.StoreError as error:
        raise leaf(error) from error
    except OSError as error:
        raise errors.ReadFailed(error.strerror or str(error)) from error
