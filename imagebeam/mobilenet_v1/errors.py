"""What can go wrong for a reason that the user can mend."""

from imagebeam.errors import ImagebeamError


class NetworkError(ImagebeamError, ValueError):
    """A network, checkpoint, folder or option that cannot be used; the text says what to do."""


class PictureError(NetworkError):
    """One picture that cannot be read; training goes on without it."""
