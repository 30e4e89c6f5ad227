"""Keeps a second run out of an output while the first one writes it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from results.layout import Layout, OutputError, unusable


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the output folder for this process; it is made if it does not exist.

    The lock is on the folder itself and ends with the process, however that ends.

    Raises:
        OutputError: another run holds it, or it cannot be made.
    """
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        folder = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unusable(layout, error) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise OutputError(
            f"{layout.root}: another run is writing to it. Wait for its end, or choose another "
            "folder."
        ) from None
    except OSError:
        # Some network file systems have no locks: there the user keeps runs apart.
        pass
    try:
        yield
    finally:
        os.close(folder)


def is_held(layout: Layout) -> bool:
    """Whether a process on this machine is writing to the output."""
    folder = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Shared, and for an instant: who only looks keeps no other who looks away.
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(folder)
    return False
