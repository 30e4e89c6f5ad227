"""Keep a second run out of an output while a first one writes to it.

A local folder is locked itself, and the lock ends with the process, however that ends. Objects in a
store outlive the process that wrote them, so a lease is held there.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Layout, unusable
from imagebeam.outputs.lease import TIMING, Lease, LeaseTakenError, LeaseTiming
from imagebeam.storage import Location


@contextmanager
def held(layout: Layout, timing: LeaseTiming = TIMING) -> Iterator[None]:
    """Hold the output folder for this process. Create the folder if it does not exist.

    A lease in a store may outlast a killed process by half a minute.

    Raises:
        OutputError: another run holds it, or it cannot be created.
    """
    root = layout.root
    with _leased(layout, root, timing) if isinstance(root, Location) else _locked(layout, root):
        yield


@contextmanager
def _leased(layout: Layout, root: Location, timing: LeaseTiming) -> Iterator[None]:
    lease = Lease(str(layout.lease), timing)
    try:
        with root.named_errors():
            lease.take()
    except LeaseTakenError as error:
        raise _taken(layout, f" ({error})") from None
    except OSError as error:
        raise unusable(layout, error) from error
    try:
        yield
    finally:
        lease.release()


@contextmanager
def _locked(layout: Layout, root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unusable(layout, error) from error
    try:
        if not lock_folder(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise _taken(layout, "")
        yield
    finally:
        os.close(folder)


def lock_folder(folder: int, kind: int) -> bool:
    """Lock an open folder until it is closed; return whether no other lock prevents that.

    Some network file systems have no locks: there the user keeps runs apart.
    """
    try:
        fcntl.flock(folder, kind)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def check(layout: Layout) -> None:
    """Raise OutputError if a process is writing to an output. Change nothing."""
    if is_held(layout):
        raise _taken(layout, "")


def is_held(layout: Layout, timing: LeaseTiming = TIMING) -> bool:
    """Return whether a process is writing to the output; of a local one, a process of this machine.

    In a store it takes half a minute to see that a holder was killed.
    """
    if isinstance(layout.root, Location):
        with layout.root.named_errors():
            return Lease(str(layout.lease), timing).watch()[1]
    folder = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # A shared lock, taken briefly, so that concurrent readers do not block each other.
        return not lock_folder(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(folder)


def _taken(layout: Layout, by: str) -> OutputError:
    return OutputError(
        f"{layout.root}: another run is writing to it{by}. Wait until it ends, or choose another "
        "folder."
    )
