"""Import Beam for a job on this machine without its optional libraries."""

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any

_OPTIONAL = (
    *("absl", "apitools", "boto3", "bson", "pandas"),
    *("google.cloud", "apache_beam.io.gcp.bigquery"),
)
"""Libraries that Beam imports only if they are installed. They serve data frames, other runners,
flags of programs, and buckets, which `imagebeam.storage` reads itself."""

_LATER: Mapping[str, Sequence[str]] = {
    "beartype": (),
    "beartype.door": ("is_subhint",),
    "cryptography": (),
    "cryptography.fernet": ("Fernet",),
    "fastavro": ("parse_schema", "schemaless_reader", "schemaless_writer"),
    "fastavro.read": ("block_reader",),
    "fastavro.write": ("Writer",),
    "httplib2": (),
    "proto": (),
    "yaml": (),
}
"""Libraries that Beam always imports, each with what Beam takes out of it and calls. They serve
encryption, Avro, pipelines in YAML, packages for workers elsewhere, and types that are no classes,
so a local job uses none of them."""


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
            finder.forget_functions()


class _WithoutOptional(MetaPathFinder):
    """Reports the optional libraries as not installed, and postpones the import of others."""

    def __init__(self) -> None:
        self._postponed: list[_LaterLoader] = []

    def forget_functions(self) -> None:
        """Let what is imported from now on get the libraries themselves."""
        for loader in self._postponed:
            loader.forget_functions()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _OPTIONAL:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        if fullname not in _LATER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LaterLoader(spec.loader, _LATER[fullname])
            self._postponed.append(spec.loader)
        return spec


class _LaterLoader(Loader):
    """Loads a module when one of its names is first used.

    `importlib.util.LazyLoader` also loads it for its dictionary, and Beam looks at those of all
    modules to measure the size of an object.
    """

    def __init__(self, loader: Loader, functions: Sequence[str]) -> None:
        self._loader = loader
        self._functions = functions
        self._module: ModuleType | None = None
        self._is_loaded = False
        self._lock = RLock()

    def exec_module(self, module: ModuleType) -> None:
        self._module = module
        for name in self._functions:
            setattr(module, name, partial(self._call, name))
        vars(module)["__getattr__"] = self._load

    def forget_functions(self) -> None:
        """Remove what stands for the functions. Those who took it can still call it."""
        if self._module is not None and not self._is_loaded:
            for name in self._functions:
                delattr(self._module, name)

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        return self._load(name)(*args, **options)

    def _load(self, name: str) -> Any:
        """Return a name of the module, which is loaded unless Python only looks at it."""
        assert self._module is not None
        with self._lock:
            if not self._is_loaded and not name.startswith("__"):
                self._is_loaded = True
                self._loader.exec_module(self._module)
        if name in vars(self._module):
            return vars(self._module)[name]
        raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
