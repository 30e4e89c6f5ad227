"""Run work that needs TensorFlow in a child process.

TensorFlow adds 5 s and 400 MB to a process, its converter writes to the standard streams from C++,
and it aborts on some graphs. A SavedModel is a program, which may also run for ever. A child
process with a deadline keeps all this away from the caller.
"""

import importlib.util
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from imagebeam import child_process
from imagebeam.extras import install_command
from imagebeam.modules.errors import ModuleError

_CRASHES = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGFPE, -signal.SIGBUS)

SECONDS_VARIABLE = "IMAGEBEAM_TENSORFLOW_SECONDS"
"""The environment variable that changes the deadline."""

_SECONDS = 1800.0
"""The converter needs minutes for large modules on slow machines."""

_LONGEST = 1_000_000.0

INSTALL_COMMAND = install_command("tensorflow")


class TaskCrashedError(ModuleError):
    """TensorFlow ended the process by an assertion or a fault."""


class TaskTimedOutError(ModuleError):
    """The process did not end before its deadline."""


def tensorflow_is_installed() -> bool:
    """Return whether TensorFlow is installed."""
    try:
        return importlib.util.find_spec("tensorflow") is not None
    except ImportError:
        return False


def tensorflow_version() -> str:
    """Return the version of TensorFlow; "unknown" when the installed package has another name."""
    try:
        return metadata.version("tensorflow")
    except metadata.PackageNotFoundError:
        return "unknown"


def require_tensorflow(handle: str, purpose: str) -> None:
    """Raise ModuleError, with the command that installs TensorFlow, if it is missing."""
    if not tensorflow_is_installed():
        raise ModuleError(
            f"{handle!r}: {purpose} needs TensorFlow, which is not installed. "
            f"Run: {INSTALL_COMMAND}"
        )


def run_task(task: str, environment: Mapping[str, str] | None = None, **arguments: str) -> Any:
    """Run a function of `tensorflow.tasks` in a new process and return its result.

    Args:
        task: its name.
        environment: variables to set in the process.

    Raises:
        TaskCrashedError: TensorFlow crashed.
        TaskTimedOutError: the deadline passed; the process is killed.
        ModuleError: the function raised it, or the process ended in another way.
    """
    seconds = deadline()
    with tempfile.TemporaryDirectory(prefix="imagebeam-") as folder:
        result_file, arguments_file = Path(folder) / "result.json", Path(folder) / "arguments.json"
        arguments_file.write_text(json.dumps(arguments), "utf-8")
        try:
            status, output = _run(
                child_process.command("imagebeam.modules.tensorflow.tasks:main", task, result_file),
                arguments_file,
                seconds,
                {**_environment(), **(environment or {})},
            )
        except subprocess.TimeoutExpired:
            raise TaskTimedOutError(_timeout_report(task, seconds, arguments)) from None
        # A module can end its process as if all went well.
        if status != 0 or not result_file.exists():
            kind = TaskCrashedError if status in _CRASHES else ModuleError
            raise kind(_death_report(task, status, output))
        result = json.loads(result_file.read_text("utf-8"))
    if "error" in result:
        raise ModuleError(result["error"])
    return result["value"]


def _run(
    words: Sequence[str], stdin: Path, seconds: float, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a process; return its status and the end of what it wrote.

    What it started ends with it.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    with stdin.open("rb") as file:
        process = subprocess.Popen(
            child_process.ended_with_parent(words),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
    assert process.stdout is not None
    output = _LastOutput(process.stdout)
    output.start()
    try:
        return process.wait(seconds), output.text()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _LastOutput(threading.Thread):
    """Reads what a process writes, and keeps the end: a module may write without end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._last = b""

    def run(self) -> None:
        """Read until every process has closed its end of the pipe."""
        with self._pipe:
            while piece := self._pipe.read(_KEPT_OUTPUT):
                self._last = (self._last + piece)[-_KEPT_OUTPUT:]

    def text(self) -> str:
        """Return the end of what was written, once the process has ended."""
        # A process that it started may keep the pipe open.
        self.join(_GRACE_SECONDS)
        return self._last.decode(errors="replace")


_KEPT_OUTPUT = 1 << 16
_GRACE_SECONDS = 1.0


def _environment() -> dict[str, str]:
    return {
        **child_process.environment(),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Starting a GPU takes longer than reading or converting one module.
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def deadline() -> float:
    """Return the seconds for a process with a module; raise ModuleError for a wrong variable."""
    text = os.environ.get(SECONDS_VARIABLE, "")
    try:
        seconds = float(text) if text else _SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise ModuleError(
            f"{SECONDS_VARIABLE}={text!r}: not a number of seconds. Give one above 0 and up to "
            f"{_LONGEST:,.0f}."
        )
    return seconds


def _timeout_report(task: str, seconds: float, arguments: Mapping[str, str]) -> str:
    more = f"allow more time with {SECONDS_VARIABLE}=SECONDS"
    if "path" not in arguments:
        return f"TensorFlow did not finish in {seconds:g} s ({task}). Check the network, or {more}."
    return (
        f"{arguments['path']!r}: TensorFlow did not finish in {seconds:g} s ({task}). A SavedModel "
        "is a program and may run for ever: if you do not trust this one, use a .tflite module "
        f"with --engine litert. If it is only large, {more}."
    )


def _death_report(task: str, status: int, output: str) -> str:
    last = [line[-_LONGEST_LINE:] for line in output.splitlines() if line.strip()][-3:]
    return (
        f"the TensorFlow process for {task!r} ended with status {status} "
        f"({' | '.join(last) or 'without output'}). Check free memory and the TensorFlow "
        "installation."
    )


_LONGEST_LINE = 500
