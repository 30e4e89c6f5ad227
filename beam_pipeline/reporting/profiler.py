"""Draw a flame graph of the job with py-spy."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.reporting import console
from imagebeam.extras import install_command

_PR_SET_PTRACER = 0x59616D61
_END_SECONDS = 60.0


@contextmanager
def profiled(output: Path | None, folders: str | None = None) -> Iterator[None]:
    """Sample all threads and child processes of this process until the end of the block.

    Args:
        output: the SVG to write; None does nothing.
        folders: where py-spy may be, in the form of PATH; by default beside this Python, then PATH.

    Raises:
        UsageError: py-spy is not installed, or there is no folder for the SVG.
    """
    if output is None:
        yield
        return
    with tempfile.TemporaryFile("w+") as stderr:
        scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
        profiler = _start(output, folders or scripts, stderr)
        try:
            yield
        finally:
            _end(profiler)
            if not output.is_file():
                stderr.seek(0)
                console.report_no_profile(stderr.read().strip())


def _start(output: Path, folders: str, stderr: IO[str]) -> "subprocess.Popen[bytes]":
    if not output.parent.is_dir():
        raise UsageError(
            f"--profile {output}: the folder does not exist. Create it, or choose another path."
        )
    program = shutil.which("py-spy", path=folders)
    if program is None:
        raise UsageError(f"--profile: py-spy is not installed. Run `{install_command('profile')}`.")
    profiler = subprocess.Popen(
        [program, "record", "--subprocesses", "--pid", str(os.getpid()), "--output", str(output)],
        stdin=subprocess.DEVNULL,
        stdout=stderr,
        stderr=stderr,
    )
    if sys.platform == "linux":
        # Ubuntu allows only a parent process to trace, unless the process names another.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, profiler.pid)
    return profiler


def _end(profiler: "subprocess.Popen[bytes]") -> None:
    profiler.send_signal(signal.SIGINT)
    try:
        profiler.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        profiler.kill()
        profiler.wait()
