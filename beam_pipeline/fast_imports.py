"""Import Beam for a job on this machine without its optional libraries."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

_OPTIONAL = (
    *("absl", "apitools", "boto3", "bson", "pandas"),
    *("google.cloud", "apache_beam.io.gcp.bigquery"),
)
"""Libraries that Beam imports only if they are installed. They serve data frames, other runners,
flags of programs, and buckets, which `imagebeam.storage` reads itself."""

_LATER = ("httplib2", "proto")
"""Libraries that Beam always imports. It uses them only to fetch packages for workers elsewhere,
and for messages of Google's services."""


@contextmanager
def fast_imports(beam_args: Sequence[str] = ()) -> Iterator[None]:
    """Pause the garbage collector in the block, and exclude what was imported from then on.

    Importing Beam makes some hundred thousand objects that all stay, and searching them for garbage
    again and again would take 0.4 s. Its optional libraries would take another 0.5 s and 60 MB. The
    block imports Beam as if they were not installed, and some others only when they are used,
    unless options of Beam are given, which may need them.

    Args:
        beam_args: options of Beam.
    """
    finder = _WithoutOptional()
    if "apache_beam" not in sys.modules and not beam_args:
        sys.meta_path.insert(0, finder)
        import pyarrow

        # It looks for pandas when it makes its first array, and never again.
        pyarrow.array([])
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


class _WithoutOptional(MetaPathFinder):
    """Reports the optional libraries as not installed, and postpones the import of others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _OPTIONAL:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        if fullname not in _LATER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
