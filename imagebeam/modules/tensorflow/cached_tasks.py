"""Compile and describe SavedModels once: the cache keeps the results."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import PREFIX
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.tensorflow.subprocess import (
    TaskCrashedError,
    require_tensorflow,
    run_task,
    tensorflow_version,
)
from imagebeam.modules.types import ModuleInfo

# Increase these when the results of older versions must not be used any more.
_COMPILER_VERSION = 8
_DESCRIPTION_VERSION = 7
_FLATBUFFER = "module.tflite"
_RESULT = "result.json"


@dataclass(frozen=True)
class Compiled:
    """The result of compiling a SavedModel."""

    flatbuffer: Path
    info: ModuleInfo
    refusal: str | None


def compiled(
    handle: str, path: Path, digest: str, cache: Cache, options: ModuleOptions
) -> Compiled:
    """Compile a SavedModel unless the cache has the result; that needs TensorFlow in any case."""
    require_tensorflow(handle, "compiling a module that carries no flatbuffer")
    stated = _text(options.of_graph)

    def compile_into(directory: Path) -> None:
        flatbuffer = str(directory / _FLATBUFFER)
        try:
            result = run_task("compile", path=str(path), output=flatbuffer, options=stated)
        except TaskCrashedError as error:
            info = run_task("describe", path=str(path), options=stated)
            result = {"info": info, "refusal": f"the LiteRT converter crashes on it: {error}"}
        (directory / _RESULT).write_text(json.dumps(result), "utf-8")

    entry = cache.entry("compiled", _key(digest, _COMPILER_VERSION, options.of_graph), compile_into)
    result = json.loads((entry / _RESULT).read_text("utf-8"))
    return Compiled(entry / _FLATBUFFER, ModuleInfo.from_json(result["info"]), result["refusal"])


def described(path: Path, digest: str, cache: Cache, options: ModuleOptions) -> ModuleInfo:
    """Describe a SavedModel that TensorFlow will run, unless the cache has the description."""
    stated = _text(options)

    def describe_into(directory: Path) -> None:
        info = run_task("describe", path=str(path), options=stated)
        (directory / _RESULT).write_text(json.dumps(info), "utf-8")

    key = _key(digest, _DESCRIPTION_VERSION, options)
    entry = cache.entry("described", key, describe_into)
    return ModuleInfo.from_json(json.loads((entry / _RESULT).read_text("utf-8")))


def _key(digest: str, version: int, options: ModuleOptions) -> str:
    key = f"{digest.removeprefix(PREFIX)}-{version}-{tensorflow_version()}"
    if options != NO_OPTIONS:
        key += f"-{hashlib.sha256(_text(options).encode()).hexdigest()[:16]}"
    return key


def _text(options: ModuleOptions) -> str:
    return json.dumps(options.to_json(), sort_keys=True)
