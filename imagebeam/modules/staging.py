"""A module as one file, which travels with a job to its workers."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebeam.modules.handles.archives import unpack
from imagebeam.modules.layout import ARCHIVE_SUFFIXES
from imagebeam.modules.types import LITERT, Module, StagedModule

_ARCHIVE = ARCHIVE_SUFFIXES[0]


def suffix(module: Module) -> str:
    """How the name of its one file ends."""
    return ".tflite" if module.engine == LITERT else _ARCHIVE


def packed(module: Module) -> bytes:
    """Its flatbuffer; where TensorFlow runs it, an archive of its directory, the same each time."""
    if module.engine == LITERT:
        return module.path.read_bytes()
    buffer = io.BytesIO()
    # Weights hardly shrink: to compress them would cost each start seconds.
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=0, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for path in sorted(module.path.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(path.relative_to(module.path).as_posix())
                entry.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(entry, file)
    return buffer.getvalue()


@contextmanager
def unpacked(module: StagedModule) -> Iterator[Path]:
    """The path on this machine that `load_engine` takes, until the module is loaded.

    Raises:
        ModuleError: what is at the module's path is damaged.
    """
    if isinstance(module.path, Path) and not module.path.name.endswith(_ARCHIVE):
        yield module.path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / module.path.name
        copy.write_bytes(module.path.read_bytes())
        if not copy.name.endswith(_ARCHIVE):
            yield copy
            return
        directory = Path(folder) / "module"
        directory.mkdir()
        unpack(copy, directory)
        yield directory
