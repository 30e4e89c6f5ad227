"""Run jobs in separate processes that tests stop at any moment and by any means."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import COMMAND, ROOT, errors, imagebeam, predictions
from tests.faults.decoding import PLUGIN

_PATIENCE = 300
"""Seconds after which a process that should have ended is considered to hang."""


class Job:
    """An `imagebeam label` in a separate process group, as a terminal starts it."""

    def __init__(
        self, *arguments: object, through: Sequence[str] = (), plugin: Path = PLUGIN
    ) -> None:
        """Start it.

        Args:
            arguments: of the command line.
            through: a command that runs the command line which follows it.
            plugin: folder of the module that Python imports first.
        """
        path = os.pathsep.join(filter(None, (str(plugin), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [*through, *COMMAND, "label", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    @property
    def pid(self) -> int:
        """Return the id of the started process."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until the condition is true or the job has ended."""
        while not ready() and self._process.poll() is None:
            time.sleep(0.002)

    def children(self) -> list[psutil.Process]:
        """Return all processes below it; none if it has ended."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def kill(self) -> int:
        """Send SIGKILL to the started process only; return its exit code."""
        return self._stopped(self._process.kill)

    def terminate(self) -> int:
        """Send SIGTERM to the started process only; return its exit code."""
        return self._stopped(self._process.terminate)

    def interrupt(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send Ctrl-C or another signal to the whole group, as a terminal does.

        Returns:
            The exit code of the started process.
        """

        def send() -> None:
            # It may have ended by itself.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, how)

        return self._stopped(send)

    def finish(self) -> tuple[int, str]:
        """Wait for its end; return exit code and standard error."""
        _, stderr = self._process.communicate(timeout=_PATIENCE)
        return self._process.returncode, stderr

    def _stopped(self, stop: Callable[[], None]) -> int:
        family = self.children()
        stop()
        code, _ = self.finish()
        _, alive = psutil.wait_procs(family, timeout=_PATIENCE)
        assert alive == []
        return code


def assert_same_rows(output: Path, clean: Path) -> None:
    """Check that an output holds exactly the rows of an undisturbed run."""
    assert predictions(output) == predictions(clean)
    assert errors(output) == errors(clean)
    assert verify(output) == []
    assert list(output.rglob("*.tmp")) == []


def label(*arguments: object) -> int:
    """Run `imagebeam label` in this process; return its exit code."""
    return imagebeam("label", *arguments)
