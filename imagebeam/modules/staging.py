"""Pack a module into one file, which a job sends to its workers."""

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.archives import unpack
from imagebeam.modules.types import ARCHIVE_SUFFIXES, ONNX, TENSORFLOW, Module, StagedModule

_ARCHIVE = ARCHIVE_SUFFIXES[0]
_ONNX_RUNTIME_BYTES = 15_000_000
"""The size of a module that takes as much memory as ONNX Runtime takes more than LiteRT: 40 MB."""


def suffix(module: Module) -> str:
    """Return the suffix of the file that `packed` makes."""
    return _ARCHIVE if module.engine == TENSORFLOW else module.path.suffix


def packed(module: Module) -> bytes:
    """Return the file, or for TensorFlow a reproducible archive of the directory."""
    if module.engine != TENSORFLOW:
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


def read_staged(module: StagedModule) -> bytes:
    """Return the content of a module's file; raise ModuleError if it is not what was staged."""
    data = module.path.read_bytes()
    if module.file_digest and hashlib.sha256(data).hexdigest() != module.file_digest:
        raise ModuleError(
            f"{module.path}: was changed since the job started. Delete it, then run the same "
            "command again"
        )
    return data


def module_bytes(module: StagedModule) -> int | None:
    """Return the size of what decoding processes load to run a module; None for TensorFlow."""
    if module.engine == TENSORFLOW:
        return None
    return module.path.stat().st_size + (_ONNX_RUNTIME_BYTES if module.engine == ONNX else 0)


@contextmanager
def unpacked(module: StagedModule) -> Iterator[Path]:
    """Yield a local path for `load_engine`; it is valid inside the `with` block.

    Raises:
        ModuleError: the file of the module is damaged, or was changed since it was staged.
    """
    is_archive = module.path.name.endswith(_ARCHIVE)
    if isinstance(module.path, Path) and not is_archive and not module.file_digest:
        yield module.path
        return
    with tempfile.TemporaryDirectory() as folder:
        # A copy, because the file could change between the check and the use.
        copy = Path(folder) / module.path.name
        copy.write_bytes(read_staged(module))
        if not copy.name.endswith(_ARCHIVE):
            yield copy
            return
        directory = Path(folder) / "module"
        directory.mkdir()
        unpack(copy, directory)
        yield directory
