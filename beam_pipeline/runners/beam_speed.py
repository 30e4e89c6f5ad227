"""Let Beam start and end a local job sooner, with uses of Beam as in `beam_internals`."""

import bz2
import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from apache_beam.internal import cloudpickle_pickler
from apache_beam.runners.worker import statesampler
from apache_beam.transforms import userstate

from imagebeam.beam_pipeline.runners.beam_internals import warn_missing

_FIND_SPECS = "get_dofn_specs"
_PERIOD = "sampling_period_ms"
_SAMPLING_MILLISECONDS = 20
_BZ2 = b"BZh"
"""The first bytes of what bz2 compressed; no pickle begins with them."""


def remember_dofn_specs(module: Any = userstate) -> None:
    """Let Beam look for state and timers once per class of DoFn.

    A job of ten images then starts with a tenth less CPU time. Beam calls `get_dofn_specs` eight
    times per ParDo, and each call inspects the signatures of all methods.

    Upstream: remember the result per class, unless an instance has methods of its own.

    Args:
        module: the module of Beam that looks for them.
    """
    find = getattr(module, _FIND_SPECS, None)
    if not callable(find) or list(inspect.signature(find).parameters) != ["dofn"]:
        warn_missing(f"userstate.{_FIND_SPECS}", "Jobs take longer to start.")
        return
    if hasattr(find, "__wrapped__"):
        return
    found: dict[type, tuple[frozenset[Any], frozenset[Any]]] = {}

    @functools.wraps(find)
    def remembered(dofn: Any) -> tuple[set[Any], set[Any]]:
        if any(isinstance(value, MethodType) for value in vars(dofn).values()):
            states, timers = find(dofn)
            return states, timers
        kind = type(dofn)
        if kind not in found:
            states, timers = find(dofn)
            found[kind] = frozenset(states), frozenset(timers)
        states, timers = found[kind]
        return set(states), set(timers)

    setattr(module, _FIND_SPECS, remembered)


def shorten_bundle_ends(sampler: Any = statesampler.StateSampler) -> None:
    """Shorten the wait at the end of each bundle.

    A thread of Beam looks every 0.2 s which step is at work, and a bundle that took long ends only
    when that thread wakes up, while all cores are idle. Every 0.02 s, it still takes hardly any
    time.

    Upstream: wake the thread up when the bundle ends, or do not wait for it.

    Args:
        sampler: the class of Beam that starts the thread.
    """
    start = sampler.__init__
    *_, last = inspect.signature(start).parameters
    if last != _PERIOD or len(start.__defaults__ or ()) != 1:
        warn_missing(f"statesampler.StateSampler({_PERIOD})", "Jobs end up to 0.2 s later.")
        return
    start.__defaults__ = (_SAMPLING_MILLISECONDS,)


@contextmanager
def uncompressed_pickles(pickler: Any = cloudpickle_pickler) -> Iterator[None]:
    """Leave out the compression of Beam's pickles in the block.

    A job of ten images then starts with a tenth less CPU time. In a pipeline that runs in this
    process, Beam compresses and decompresses each of some 400 pickles, of a few kB, to save memory.
    Pickles of both kinds can be read from then on.

    Upstream: compress only what is large, or add an option.

    Args:
        pickler: the module of Beam that compresses them.
    """
    if getattr(pickler, "bz2", None) is bz2:
        pickler.bz2 = _Compression()
    compression = getattr(pickler, "bz2", None)
    if not isinstance(compression, _Compression):
        warn_missing("cloudpickle_pickler.bz2", "Jobs take longer to start.")
        yield
        return
    compression.blocks += 1
    try:
        yield
    finally:
        compression.blocks -= 1


class _Compression:
    """Stands for the module `bz2`, and leaves out the compression while a block is active.

    Attributes:
        blocks: the number of active blocks.
    """

    def __init__(self) -> None:
        self.blocks = 0

    def compress(self, data: bytes, compresslevel: int = 9) -> bytes:
        return data if self.blocks else bz2.compress(data, compresslevel)

    def decompress(self, data: bytes) -> bytes:
        return bz2.decompress(data) if data.startswith(_BZ2) else data
