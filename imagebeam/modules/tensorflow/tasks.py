"""The tasks of `run_task`: `python -m imagebeam.modules.tensorflow.tasks TASK RESULT`.

Arguments come as JSON on standard input; the result goes to the file RESULT as JSON, either
{"value": ...} or {"error": the message of a ModuleError}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagebeam.modules.errors import ModuleError, reason_of

_NETWORK_SECONDS = 60.0


def describe(path: str) -> dict[str, Any]:
    """The `ModuleInfo` of the SavedModel directory `path`, as JSON values."""
    from imagebeam.modules.saved_model import load_saved_model

    return load_saved_model(Path(path)).info.to_json()


def compile_module(path: str, output: str) -> dict[str, Any]:
    """Compile the SavedModel directory `path` to the flatbuffer file `output`.

    Returns:
        {"info": as `describe`, "refusal": why LiteRT cannot hold it, or None when it can}.
    """
    from imagebeam.modules.compile import NotCompilableError, compile_saved_model
    from imagebeam.modules.saved_model import load_saved_model

    module = load_saved_model(Path(path))
    refusal = None
    try:
        Path(output).write_bytes(compile_saved_model(module))
    except NotCompilableError as error:
        refusal = str(error)
    return {"info": module.info.to_json(), "refusal": refusal}


def signatures(path: str) -> dict[str, Any]:
    """The signatures that the SavedModel directory `path` declares, for people to read.

    Returns:
        By name {"inputs": {name: "dtype [shape]"}, "outputs": likewise}.
    """
    from imagebeam.modules.saved_model_proto import declared_signatures, read_graphs

    return declared_signatures(read_graphs(Path(path)))


def resolve(url: str, hub_cache: str) -> str:
    """The directory of the TF-Hub module at `url`, fetched by `tensorflow_hub` unless cached."""
    import os
    import socket

    import tensorflow_hub

    os.environ["TFHUB_CACHE_DIR"] = hub_cache
    # The library waits for a silent server without end.
    socket.setdefaulttimeout(_NETWORK_SECONDS)
    try:
        return str(tensorflow_hub.resolve(url))
    except Exception as error:  # urllib, tarfile and TensorFlow each raise their own
        raise ModuleError(
            f"{url!r}: cannot be fetched ({reason_of(error)}). Check the address and the network, "
            "or put the module into the directory of TFHUB_CACHE_DIR."
        ) from error


_TASKS: dict[str, Callable[..., Any]] = {
    "describe": describe,
    "compile": compile_module,
    "resolve": resolve,
    "signatures": signatures,
}


def main(task: str, result_file: str) -> None:
    """Run one task."""
    try:
        result = {"value": _TASKS[task](**json.load(sys.stdin))}
    except ModuleError as error:
        result = {"error": str(error)}
    Path(result_file).write_text(json.dumps(result), "utf-8")
