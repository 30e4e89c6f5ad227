"""Import heavy libraries with the garbage collector paused."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fast_imports() -> Iterator[None]:
    """Pause the garbage collector in the block, and exclude what was imported from then on.

    Importing Beam makes some hundred thousand objects that all stay. To search them for garbage
    again and again takes 0.4 s of the 1.7 s that a job of ten images takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
