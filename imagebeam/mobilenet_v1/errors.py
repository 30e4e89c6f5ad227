"""The errors that a user can fix."""

from pathlib import Path

from imagebeam.errors import ImagebeamError


class NetworkError(ImagebeamError, ValueError):
    """A network, checkpoint, folder or option cannot be used; the text states the fix."""


class PictureError(NetworkError):
    """One picture cannot be read; training continues without it."""


def refuse_existing(output: Path) -> None:
    """Raise NetworkError if `output` exists."""
    if output.exists():
        raise NetworkError(f"{output}: exists already. Remove it or name another output.")
