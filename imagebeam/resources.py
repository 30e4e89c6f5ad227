"""The cores and the memory that this process may use, which a container may limit."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60
"""Version 1 reports a number of this size where no limit is set."""

_BASE_BYTES = 300_000_000
"""Memory of a worker process: Beam, and three shards of pixels or outputs."""
_DECODER_BYTES = 80_000_000
"""Memory of a decoding process with LiteRT and an ordinary photograph."""
_BYTES_PER_PIXEL = 8
"""Memory of a decoder for a pixel: four bytes as it is decoded, and four as it is converted."""
_BYTES_PER_MODULE_BYTE = 3
"""Memory of a decoding process for its module: the file, and weights in the order of the cores."""


@dataclass(frozen=True)
class Resources:
    """The resources that a process may use.

    Attributes:
        cores: at least 1.
        memory: bytes; None if no limit is known.
    """

    cores: int
    memory: int | None = None

    def decode_processes(self, cores: int | None = None, module_bytes: int = 0) -> int:
        """Return how many decoding processes to run: one per core, or as many as memory allows.

        Args:
            cores: the number of cores of a worker process; None for all cores.
            module_bytes: size of the module that each of them loads.
        """
        wanted = min(cores or self.cores, self.cores)
        if self.memory is None:
            return wanted
        return max(1, min(wanted, (self.memory - _BASE_BYTES) // _decoder_bytes(module_bytes)))

    def pixels_at_once(self, processes: int, module_bytes: int = 0) -> int | None:
        """Return the pixels that each decoding process may hold while the others do; None for any.

        Args:
            processes: the number of processes that decode.
            module_bytes: size of the module that each of them loads.
        """
        if self.memory is None or processes == 1:
            return None
        free = self.memory - _BASE_BYTES - processes * _decoder_bytes(module_bytes)
        return max(0, free // processes // _BYTES_PER_PIXEL)

    def memory_for_one_image(self, limit: int) -> int:
        """Return the memory that one image may take: the limit, or half of all memory if less."""
        return limit if self.memory is None else min(limit, self.memory // 2)


def _decoder_bytes(module_bytes: int) -> int:
    return _DECODER_BYTES + _BYTES_PER_MODULE_BYTE * module_bytes


def available(
    cgroups: Path = _CGROUPS, own_cgroups: Path = _OWN_CGROUPS, cores: int | None = None
) -> Resources:
    """Return what this process may use, from its CPU affinity and its control groups.

    Limits that cannot be read are ignored. A quota of a part of a core counts as a core.

    Args:
        cgroups: where the control groups are mounted.
        own_cgroups: the file that names those of this process.
        cores: the number of cores that this process may run on; None asks the operating system.
    """
    cores = cores or _usable_cores()
    memory: int | None = None
    for folder in _own_folders(cgroups, own_cgroups):
        quota = _quota(folder)
        if quota is not None:
            cores = min(cores, max(1, math.ceil(quota)))
        limit = _memory_limit(folder)
        if limit is not None:
            memory = limit if memory is None else min(memory, limit)
    return Resources(cores, memory)


def cores() -> int:
    """Return how many cores this process may use."""
    return available().cores


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _own_folders(cgroups: Path, own_cgroups: Path) -> Iterator[Path]:
    """Yield the folders of the groups of this process and of all groups around them."""
    try:
        lines = own_cgroups.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    # Inside a container the mount may show only its own group, whatever path the file names.
    folders = dict.fromkeys((cgroups, cgroups / "cpu", cgroups / "memory"))
    for line in lines:
        _, _, names_and_path = line.partition(":")
        names, _, path = names_and_path.partition(":")
        parts = PurePosixPath(path.lstrip("/")).parts
        if ".." in parts:
            continue
        mounts = [cgroups / name for name in (names, *names.split(","))] if names else [cgroups]
        for mount in mounts:
            for end in range(len(parts) + 1):
                folders[mount.joinpath(*parts[:end])] = None
    yield from folders


def _quota(folder: Path) -> float | None:
    """Return the cores that a group may use; None without a limit."""
    fields = _read(folder / "cpu.max").split()
    if not fields:
        fields = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    try:
        quota, period = map(int, fields)
    # `max`, an empty text, or anything else that is not two numbers.
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _memory_limit(folder: Path) -> int | None:
    """Return the bytes that a group may use; None without a limit."""
    text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
    try:
        limit = int(text)
    except ValueError:
        return None
    return limit if 0 < limit < _NO_LIMIT else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
