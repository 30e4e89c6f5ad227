"""One running decoding child, as the process that started it sees it."""

import pickle
import signal
import socket
import subprocess

from imagebeam import child_process
from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.images.channel import Channel
from imagebeam.images.reading.decoding_child import READY
from imagebeam.images.reading.picture_task import PictureTask, TaskLoadError
from imagebeam.images.reading.shared_pixels import SharedPixels
from imagebeam.images.settings import Preprocessing

START_SECONDS = 60.0
"""Time that a child may take to start, and to load a task."""


class StartedChild:
    """A child process, and the socket and the shared memory that connect it to this process.

    Attributes:
        channel: for messages.
        shared: for pixels.
        loaded: the key of the task that it has loaded; "" for none.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Start the process, for pictures of (height, width) pixels.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.shared = SharedPixels(size)
        self.loaded = ""
        try:
            with theirs:
                self._process = _spawn(theirs.fileno(), self.shared.descriptor)
        except BaseException:
            self.channel.close()
            self.shared.close()
            raise

    def prepare(self, preprocessing: Preprocessing, memory: int) -> None:
        """Wait until the child can decode.

        Raises:
            TimeoutError, EOFError, OSError: it cannot.
        """
        self.channel.send(pickle.dumps((preprocessing, memory)))
        self.channel.receive(START_SECONDS)

    def load(self, task: PictureTask) -> None:
        """Let the child load a task.

        Raises:
            TaskLoadError: it cannot.
            TimeoutError, EOFError, OSError: it does not answer.
        """
        self.channel.send(pickle.dumps(task), START_SECONDS)
        reason = self.channel.receive(START_SECONDS)
        if reason != READY:
            raise TaskLoadError(reason.decode(errors="replace"))
        self.loaded = task.key

    def ending(self) -> str:
        """Return how the child ended."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "a closed socket"
        return f"signal {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """Kill the child, whichever thread waits for it."""
        self._process.kill()

    def close(self) -> None:
        """End the child and free what connects it to this process."""
        self.channel.close()
        self._process.kill()
        self._process.wait()
        self.shared.close()


def _spawn(*descriptors: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        child_process.command("imagebeam.images.reading.decoding_child:serve", *descriptors),
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # The child redirects it to a file that it reads; see `decoder_messages`.
        stderr=subprocess.DEVNULL,
        # NumPy would start threads for linear algebra, which busy-wait.
        # The child reports what it does not expect; this process raises it.
        env={"OPENBLAS_NUM_THREADS": "1"} | child_process.environment() | {RAISE_UNEXPECTED: ""},
    )
