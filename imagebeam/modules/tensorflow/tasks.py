"""The tasks of `run_task`: `python -m imagebeam.modules.tensorflow.tasks TASK RESULT`.

A task reads its arguments as JSON from standard input and writes its result to the file RESULT as
JSON: {"value": ...}, or {"error": MESSAGE} for a ModuleError.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.module_options import ModuleOptions

_NETWORK_SECONDS = 60.0


def describe(path: str, options: str = "{}") -> dict[str, Any]:
    """Describe the SavedModel directory `path`: its `ModuleInfo` as JSON values."""
    from imagebeam.modules.tensorflow.saved_model import load_saved_model

    return load_saved_model(Path(path), _options(options)).info.to_json()


def compile_module(path: str, output: str, options: str = "{}") -> dict[str, Any]:
    """Compile the SavedModel directory `path` to the flatbuffer file `output`.

    Returns:
        {"info": as `describe`, "refusal": the reason why LiteRT cannot run it, or None}.
    """
    from imagebeam.modules.tensorflow.compile import NotCompilableError, compile_saved_model
    from imagebeam.modules.tensorflow.saved_model import load_saved_model

    module = load_saved_model(Path(path), _options(options))
    refusal = None
    try:
        Path(output).write_bytes(compile_saved_model(module))
    except NotCompilableError as error:
        refusal = str(error)
    return {"info": module.info.to_json(), "refusal": refusal}


def _options(text: str) -> ModuleOptions:
    return ModuleOptions.from_json(json.loads(text))


def signatures(path: str) -> dict[str, Any]:
    """Describe the signatures that the SavedModel directory `path` declares.

    Returns:
        {NAME: {"inputs": {NAME: "dtype [shape]"}, "outputs": {NAME: "dtype [shape]"}}}.
    """
    from imagebeam.modules.tensorflow.saved_model_proto import declared_signatures, read_graphs

    return declared_signatures(read_graphs(Path(path)))


def resolve(url: str) -> str:
    """Return the directory of the TF-Hub module at `url`; `tensorflow_hub` fetches it if needed."""
    import socket

    import tensorflow_hub

    # The library itself waits for a silent server without limit.
    socket.setdefaulttimeout(_NETWORK_SECONDS)
    try:
        return str(tensorflow_hub.resolve(url))
    except Exception as error:  # errors of urllib, tarfile and TensorFlow
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
