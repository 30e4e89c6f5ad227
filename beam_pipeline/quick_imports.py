"""Imports heavy libraries as quickly as they allow."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_LEFT_OUT = (
    # Images and outputs in buckets are reached by `stores`.
    "apache_beam.io.gcp.gcsfilesystem",
    "apache_beam.io.gcp.bigquery",
    "google.cloud.dataflow",
    "bson",
    "pandas",
)
"""What Beam imports where it is installed, does without elsewhere, and no local job needs."""


@contextmanager
def quick_imports(beam_args: Sequence[str]) -> Iterator[None]:
    """Look for no garbage while modules are imported, nor among them afterwards.

    They make some hundred thousand objects that all stay: looking through them again and again
    takes a fifth of the time that Beam takes to be imported. What only other jobs need takes
    another tenth, or a third where Beam's extras are installed.

    Args:
        beam_args: Beam's options; only with none of them is anything left out.
    """
    left_out = [] if beam_args else [name for name in _LEFT_OUT if name not in sys.modules]
    # Python's own way to say that a module is not there.
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in left_out:
            del sys.modules[name]
