"""Spares Beam the compression of steps that go nowhere."""

import bz2
from collections.abc import Iterator
from contextlib import contextmanager

from apache_beam.internal import cloudpickle_pickler


@contextmanager
def quick_pickles() -> Iterator[None]:
    """Leave what Beam pickles in this process, and reads again in it, as it is.

    It compresses each of a job's hundred steps and coders with bzip2, so that they are small where
    they are sent to workers: a twentieth of what a job takes that has next to nothing to do.
    """
    cloudpickle_pickler.bz2 = _Plain
    try:
        yield
    finally:
        cloudpickle_pickler.bz2 = bz2


class _Plain:
    """Stands in for the module bz2."""

    @staticmethod
    def compress(data: bytes, compresslevel: int = 9) -> bytes:
        return data

    @staticmethod
    def decompress(data: bytes) -> bytes:
        # Something may have been pickled before.
        return bz2.decompress(data) if data.startswith(_BZIP2) else data


_BZIP2 = b"BZh"
"""No pickle starts so."""
