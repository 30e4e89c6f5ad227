"""Run an unknown module once in a process of its own: C++ code reads untrusted bytes.

A damaged or hostile file crashes LiteRT or ONNX Runtime, hangs it, or makes it take all memory.
The cache remembers the digests of files that pass, so only the first use of a module takes time.
"""

import hashlib
import importlib.util
import json
import resource
import subprocess
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from imagebeam import child_process
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import PREFIX, digest_of_file
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.types import ONNX_SUFFIX
from imagebeam.storage.errors import describe_unexpected

_SECONDS = 120.0
_BYTES = 4_000_000_000
_BYTES_PER_BYTE = 10
_TRIAL = "imagebeam.modules.trial:main"


def try_file(
    path: Path,
    cache: Cache,
    options: ModuleOptions = NO_OPTIONS,
    seconds: float = _SECONDS,
    target: str = _TRIAL,
) -> None:
    """Refuse a file that crashes its library, hangs, takes too much memory, or is no module.

    Args:
        path: a `.tflite` or `.onnx` file.
        cache: remembers the files that were tried.
        options: as for `open_module`. A file is tried again for another image size, signature or
            output.
        seconds: the time limit for the whole trial.
        target: function that the process calls with the path, options as JSON, a number of bytes of
            memory, and the path of a file for a refusal.

    Raises:
        ModuleError: the process refused the file, or did not end by itself.
    """
    library, packages = ("LiteRT", ["ai_edge_litert"])
    if path.suffix == ONNX_SUFFIX:
        library, packages = ("ONNX Runtime", ["onnx", "onnxruntime"])
    if not all(map(importlib.util.find_spec, packages)):
        return  # the engine names the command that installs them
    key = _key(path, packages, options)
    if cache.has("tried", key):
        return
    memory = _BYTES + _BYTES_PER_BYTE * path.stat().st_size
    with tempfile.TemporaryDirectory(prefix="imagebeam-") as folder:
        refused = Path(folder) / "refused"
        stated = json.dumps(options.to_json())
        try:
            status = subprocess.run(
                child_process.ended_with_parent(
                    child_process.command(target, path, stated, memory, refused)
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=seconds,
                env=child_process.environment(),
            ).returncode
        except subprocess.TimeoutExpired:
            raise _refusal(path, f"{library} did not finish within {seconds:g} s") from None
        if status != 0:
            raise _refusal(path, f"{library} ended with {child_process.ending(status)}")
        if refused.exists():
            raise ModuleError(refused.read_text("utf-8"))
    # A cache that cannot be written costs the time of another trial.
    with suppress(ModuleError):
        cache.entry("tried", key, lambda folder: None)


def _key(path: Path, packages: list[str], options: ModuleOptions) -> str:
    parts = [digest_of_file(path).removeprefix(PREFIX)]
    for package in packages:
        try:
            parts.append(metadata.version(package))
        except metadata.PackageNotFoundError:  # one with another name, such as onnxruntime-gpu
            parts.append("unknown")
    if options.of_graph != NO_OPTIONS:
        stated = json.dumps(options.of_graph.to_json(), sort_keys=True)
        parts.append(hashlib.sha256(stated.encode()).hexdigest()[:16])
    return "-".join(parts)


def _refusal(path: Path, reason: str) -> ModuleError:
    return ModuleError(
        f"{str(path)!r}: {reason} when it was tried in a process of its own, so the file is "
        "damaged or hostile. Fetch it again, or give another module."
    )


def main(path: str, options: str, memory: str, refused: str) -> None:
    """Read the interface of a file, which runs it on probe pictures.

    Args:
        options: as JSON.
        memory: bytes of address space that this process may take.
        refused: file for the reason if it is not a module.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    child_process.limit_memory(int(memory))
    stated = ModuleOptions.from_json(json.loads(options))
    try:
        _read(Path(path), stated)
    except ModuleError as error:
        Path(refused).write_text(str(error), "utf-8")
    except Exception as error:
        reason = describe_unexpected(error)
        Path(refused).write_text(f"{path!r}: {reason}. Give another module.", "utf-8")


def _read(path: Path, options: ModuleOptions) -> None:
    if path.suffix == ONNX_SUFFIX:
        from imagebeam.modules.engines.onnx import OnnxEngine

        OnnxEngine(path.read_bytes(), repr(str(path)), options)
        return
    from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface

    read_interface(read_flatbuffer(path), repr(str(path)), options)
