"""The errors that a user can fix."""

from imagebeam.errors import ImagebeamError


class NetworkError(ImagebeamError, ValueError):
    """A network, checkpoint, folder or option cannot be used; the text states the fix."""


class PictureError(NetworkError):
    """One picture cannot be read; training continues without it."""
