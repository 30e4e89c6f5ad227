"""Imports heavy libraries as quickly as they allow."""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_LEFT_OUT = (
    # Images and outputs in buckets are reached by `stores`.
    "apache_beam.io.gcp.gcsfilesystem",
    "apache_beam.io.gcp.bigquery",
    "google.cloud.dataflow",
    "google_auth_httplib2",
    "apitools",
    "bson",
    "pandas",
)
"""What Beam imports where it is installed, does without elsewhere, and no local job needs."""

_LATE = {
    "beartype.door": ("is_subhint",),
    "cryptography.fernet": ("Fernet",),
    "fastavro": ("parse_schema", "schemaless_reader", "schemaless_writer"),
    "fastavro.read": ("block_reader",),
    "fastavro.write": ("Writer",),
    "httplib2": (),
    "jsonpickle": (),
    "yaml": (),
}
"""What Beam always imports, with what it takes out of it by name, and no local job uses."""


@contextmanager
def quick_imports(beam_args: Sequence[str]) -> Iterator[None]:
    """Look for no garbage while modules are imported, nor among them afterwards.

    They make some hundred thousand objects that all stay: looking through them again and again
    takes a fifth of the time that Beam takes to be imported. What only other jobs need takes
    another third, or half where Beam's extras are installed.

    Args:
        beam_args: Beam's options; only with none of them is anything left out or put off.
    """
    stand_ins = {} if beam_args else _stand_ins()
    sys.modules.update(stand_ins)  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name, stand_in in stand_ins.items():
            # What was used meanwhile is there itself.
            if name in sys.modules and sys.modules[name] is stand_in:
                del sys.modules[name]


def _stand_ins() -> dict[str, ModuleType | None]:
    late = {name: _late(name, *functions) for name, functions in _LATE.items()}
    # Beam catches what `is_subhint` raises by its name.
    late["beartype.roar"] = _late("beartype.roar")
    late["beartype.roar"].BeartypeDoorException = Exception  # type: ignore[attr-defined]
    # None is Python's own way to say that a module is not there.
    wanted = dict.fromkeys(_LEFT_OUT) | late
    return {name: wanted[name] for name in wanted if name not in sys.modules}


def _late(name: str, *functions: str) -> ModuleType:
    """A module that is imported when something in it is used; the functions, when they are called.

    Python's own `LazyLoader` imports it at the second `import` statement already.
    """
    late = ModuleType(name)

    def found(attribute: str) -> Any:
        # Python asks for these while it imports.
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if sys.modules.get(name) is late:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    def function(attribute: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: found(attribute)(*args, **kwargs)

    late.__getattr__ = found  # type: ignore[method-assign]
    vars(late).update({each: function(each) for each in functions})
    return late
