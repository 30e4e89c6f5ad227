"""Keeps a second run out of an output while the first one writes it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from imagebeam.outputs.layout import Layout, OutputError, unusable
from imagebeam.outputs.lease import TakenError, is_leased, leased
from imagebeam.storage import Location


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the output folder for this process; it is made if it does not exist.

    A local folder is locked itself, which ends with the process, however that ends. In a store a
    lease is held, which may outlast a killed process by half a minute.

    Raises:
        OutputError: another run holds it, or it cannot be made.
    """
    if isinstance(layout.root, Location):
        holding = _leased(layout, layout.root)
    else:
        holding = _locked(layout, layout.root)
    with holding:
        yield


@contextmanager
def _leased(layout: Layout, root: Location) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            with root.named_errors():
                stack.enter_context(leased(str(layout.lease)))
        except TakenError as error:
            raise _taken(layout, f" ({error})") from None
        except OSError as error:
            raise unusable(layout, error) from error
        yield


@contextmanager
def _locked(layout: Layout, root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unusable(layout, error) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise _taken(layout, "") from None
    except OSError:
        # Some network file systems have no locks: there the user keeps runs apart.
        pass
    try:
        yield
    finally:
        os.close(folder)


def check(layout: Layout) -> None:
    """See that nobody is writing to an output that exists; looks and changes nothing.

    Raises:
        OutputError: somebody is.
    """
    if is_held(layout):
        raise _taken(layout, "")


def is_held(layout: Layout) -> bool:
    """Whether a process is writing to the output; one of this machine, where that is local."""
    if isinstance(layout.root, Location):
        with layout.root.named_errors():
            return is_leased(str(layout.lease))
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


def _taken(layout: Layout, by: str) -> OutputError:
    return OutputError(
        f"{layout.root}: another run is writing to it{by}. Wait for its end, or choose another "
        "folder."
    )
