"""The error that users of this package see."""

from collections.abc import Iterator
from contextlib import contextmanager

from imagebeam.errors import ImagebeamError
from imagebeam.storage.errors import describe_unexpected


class ModuleError(ImagebeamError, ValueError):
    """A module cannot be used as requested; the text states the value, the reason and the fix."""


OTHER_CHANNELS = (
    "Give an image module; one for grey pictures must start with tf.image.rgb_to_grayscale, so "
    "that it takes RGB."
)
"""The fix for a module that takes something else than RGB pictures."""


@contextmanager
def defects_named(source: str) -> Iterator[None]:
    """Turn an exception that no code expects into a message: a stranger may have made the module.

    Args:
        source: names the module.

    Raises:
        ModuleError: names the exception.
    """
    try:
        yield
    except (ImagebeamError, OSError):
        raise
    except Exception as error:
        reason = describe_unexpected(error)
        raise ModuleError(f"{source!r}: {reason}. Give another module.") from error


def reason_of(error: Exception) -> str:
    """Return the message of a foreign error on one line, cut to a readable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def no_graph(handle: str) -> ModuleError:
    """Make the error for a directory that holds no SavedModel."""
    return ModuleError(
        f"{handle!r}: not a module, it holds no saved_model.pb. "
        "Give the directory of a TF-Hub module or a SavedModel."
    )
