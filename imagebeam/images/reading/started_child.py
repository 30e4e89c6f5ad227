"""One running decoding child, as the process that started it sees it."""

import pickle

from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.images.reading.batch import READY
from imagebeam.images.reading.picture_task import PictureTask, TaskLoadError
from imagebeam.images.reading.shared_pixels import SharedPixels
from imagebeam.images.reading.turns import Turns
from imagebeam.images.settings import DecodeLimits, Preprocessing
from imagebeam.service_process import START_SECONDS, ServiceProcess


class StartedChild(ServiceProcess):
    """A child process, and the socket and the shared memory that connect it to this process.

    Attributes:
        shared: the memory for pixels.
        loaded: the key of the task that it has loaded; "" for none.
    """

    def __init__(self, size: tuple[int, int], turns: Turns | None = None) -> None:
        """Start the process.

        Args:
            size: (height, width) of its pictures in pixels.
            turns: the lock that processes take in turns to decode large pictures.

        Raises:
            OSError: it cannot be started.
        """
        self.shared = SharedPixels(size)
        self.loaded = ""
        try:
            super().__init__(
                "imagebeam.images.reading.decoding_child:serve",
                descriptors=[self.shared.descriptor, *([turns.descriptor] if turns else [])],
                # The child reports what it does not expect; this process raises it.
                variables={RAISE_UNEXPECTED: ""},
            )
        except BaseException:
            self.shared.close()
            raise

    def prepare(self, preprocessing: Preprocessing, limits: DecodeLimits) -> None:
        """Wait until the child can decode.

        Raises:
            TimeoutError, EOFError, OSError: it cannot.
        """
        self.channel.send(pickle.dumps((preprocessing, limits)))
        self.channel.receive(START_SECONDS)

    def load(self, task: PictureTask) -> None:
        """Let the child load a task.

        Raises:
            TaskLoadError: it cannot.
            TimeoutError, EOFError, OSError: it does not answer.
        """
        self.channel.send(pickle.dumps(task), seconds=START_SECONDS)
        reason = self.channel.receive(START_SECONDS)
        if reason != READY:
            raise TaskLoadError(reason.decode(errors="replace"))
        self.loaded = task.key

    def end(self) -> None:
        """End the child and free what connects it to this process."""
        super().end()
        self.shared.close()
