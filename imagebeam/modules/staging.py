"""Pack a module into one file, which a job sends to its workers."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebeam.modules.handles.archives import unpack
from imagebeam.modules.types import ARCHIVE_SUFFIXES, LITERT, Module, StagedModule

_ARCHIVE = ARCHIVE_SUFFIXES[0]


def suffix(module: Module) -> str:
    """Return the suffix of the file that `packed` makes."""
    return ".tflite" if module.engine == LITERT else _ARCHIVE


def packed(module: Module) -> bytes:
    """Return the flatbuffer, or for TensorFlow a reproducible archive of the directory."""
    if module.engine == LITERT:
        return module.path.read_bytes()
    buffer = io.BytesIO()
    # Weights hardly compress, and compressing them would cost every start seconds.
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
    """Yield a local path for `load_engine`; it is valid inside the `with` block.

    Raises:
        ModuleError: the file of the module is damaged.
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
