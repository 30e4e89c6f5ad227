"""Work that needs TensorFlow, done in a process of its own.

The caller stays small (TensorFlow adds 5 s and 400 MB to a process) and quiet (its converter
writes to the standard streams from C++), and survives the converter, which aborts on some graphs.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from imagebeam import child_process
from imagebeam.modules.errors import ModuleError

_CRASHES = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGFPE, -signal.SIGBUS)

INSTALL_COMMAND = "pip install 'imagebeam[tensorflow]'"


class TaskCrashedError(ModuleError):
    """TensorFlow itself ended the process, by an assertion or a fault of its own."""


def tensorflow_is_installed() -> bool:
    """Whether `import tensorflow` would find something."""
    try:
        return importlib.util.find_spec("tensorflow") is not None
    except ImportError:
        return False


def tensorflow_version() -> str:
    """The version of the installed TensorFlow; "unknown" when it was installed under no name."""
    try:
        return metadata.version("tensorflow")
    except metadata.PackageNotFoundError:
        return "unknown"


def require_tensorflow(handle: str, purpose: str) -> None:
    """Refuse to go on without TensorFlow.

    Raises:
        ModuleError: it is not installed; names the command that installs it.
    """
    if not tensorflow_is_installed():
        raise ModuleError(
            f"{handle!r}: {purpose} needs TensorFlow, which is not installed. "
            f"Run: {INSTALL_COMMAND}"
        )


def run_task(task: str, **arguments: str) -> Any:
    """The result of a function in `tensorflow_tasks`, run in a new process.

    Raises:
        TaskCrashedError: TensorFlow crashed.
        ModuleError: the one that the function raised, or the process ended otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="imagebeam-") as folder:
        result_file = Path(folder) / "result.json"
        process = subprocess.run(
            child_process.command("imagebeam.modules.tensorflow.tasks:main", task, result_file),
            input=json.dumps(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env=_environment(),
        )
        if process.returncode != 0:
            kind = TaskCrashedError if process.returncode in _CRASHES else ModuleError
            raise kind(_death_report(task, process))
        result = json.loads(result_file.read_text("utf-8"))
    if "error" in result:
        raise ModuleError(result["error"])
    return result["value"]


def _environment() -> dict[str, str]:
    return {
        **child_process.environment(),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # One module is read or converted: starting a GPU takes longer than that.
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def _death_report(task: str, process: subprocess.CompletedProcess[str]) -> str:
    last = [line for line in process.stdout.splitlines() if line.strip()][-3:]
    said = " | ".join(last) or "it said nothing"
    return (
        f"the TensorFlow process for {task!r} ended with status {process.returncode} "
        f"({said}). Check free memory and the TensorFlow installation."
    )
