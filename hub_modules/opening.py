"""From a handle to a module that workers can load."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from hub_modules.cache import Cache
from hub_modules.class_names import IMAGENET_CLASS_COUNT, imagenet_class_names
from hub_modules.digest import PREFIX, digest_of_file, digest_of_hashes, file_hashes
from hub_modules.errors import ModuleError
from hub_modules.flatbuffer import read_flatbuffer, read_interface
from hub_modules.handle import Handle, resolve
from hub_modules.metadata import FLATBUFFER_ASSET
from hub_modules.records import ENGINES, LITERT, TENSORFLOW, Module, ModuleInfo
from hub_modules.with_tensorflow import require_tensorflow, run_task, tensorflow_version

AUTO = "auto"

# Raised whenever compiled files of an older version must not be used any more.
_COMPILER_VERSION = 1


def open_module(handle: str, engine: str = AUTO, cache: Path | None = None) -> Module:
    """Resolve `handle`, verify its pin, read its interface and make it ready for `engine`.

    Args:
        handle: a directory (TF1 Hub format or SavedModel), a `.tar.gz` of one, a `.tflite` file or
            a TF-Hub URL; "@sha256:..." behind it pins its digest.
        engine: "litert", "tensorflow" or "auto": LiteRT for every module that it can hold.
        cache: directory for compiled modules; None for `imagebeam` in the user's cache directory.

    Raises:
        ModuleError: with value, reason and cure, whatever is wrong with the handle or the module.
    """
    if engine not in (AUTO, *ENGINES):
        raise ModuleError(
            f"engine {engine!r}: unknown. Choose one of {AUTO}, {', '.join(ENGINES)}."
        )
    parsed = Handle.parse(handle)
    store = Cache(cache)
    path = resolve(parsed.text, store)
    digest = digest_of_file(path) if path.is_file() else digest_of_hashes(file_hashes(path))
    if parsed.pin not in (None, digest):
        raise ModuleError(
            f"{parsed.text!r}: its digest is {digest}, not {parsed.pin} as pinned. "
            "Do not use it unless you know why it changed; then pin the new digest."
        )
    prepared = _prepare(parsed.text, path, digest, engine, store)
    return dataclasses.replace(prepared, info=_with_class_names(prepared.info))


def _prepare(handle: str, path: Path, digest: str, engine: str, cache: Cache) -> Module:
    if path.is_file():
        if engine == TENSORFLOW:
            raise ModuleError(
                f"{handle!r}: a flatbuffer, which the engine {TENSORFLOW!r} cannot run. "
                f"Use --engine {LITERT}."
            )
        return _flatbuffer_module(handle, path, digest, "it is a flatbuffer")
    shipped = path / FLATBUFFER_ASSET
    if engine != TENSORFLOW and shipped.is_file():
        return _flatbuffer_module(handle, shipped, digest, f"it ships {FLATBUFFER_ASSET}")
    require_tensorflow(handle, "reading a SavedModel")
    if engine == TENSORFLOW:
        info = ModuleInfo.from_json(run_task("describe", path=str(path)))
        return Module(handle, digest, TENSORFLOW, path, info, "it was asked for")
    return _compiled_module(handle, path, digest, engine, cache)


def _flatbuffer_module(handle: str, path: Path, digest: str, reason: str) -> Module:
    info = read_interface(read_flatbuffer(path), repr(str(path))).info
    return Module(handle, digest, LITERT, path, info, reason)


def _compiled_module(handle: str, path: Path, digest: str, engine: str, cache: Cache) -> Module:
    def compile_into(directory: Path) -> None:
        output = directory / "module.tflite"
        result = run_task("compile", path=str(path), output=str(output))
        (directory / "result.json").write_text(json.dumps(result), "utf-8")

    key = f"{digest.removeprefix(PREFIX)}-{_COMPILER_VERSION}-{tensorflow_version()}"
    entry = cache.entry("compiled", key, compile_into)
    result: dict[str, Any] = json.loads((entry / "result.json").read_text("utf-8"))
    refusal = result["refusal"]
    if refusal is None:
        reason = "LiteRT holds it"
        return _flatbuffer_module(handle, entry / "module.tflite", digest, reason)
    if engine == LITERT:
        raise ModuleError(f"{handle!r}: {refusal}. Use --engine {TENSORFLOW}.")
    return Module(handle, digest, TENSORFLOW, path, ModuleInfo.from_json(result["info"]), refusal)


def _with_class_names(info: ModuleInfo) -> ModuleInfo:
    if info.class_names is None and info.class_count == IMAGENET_CLASS_COUNT:
        return dataclasses.replace(info, class_names=imagenet_class_names())
    return info
