"""Child processes that fetch and decode images, so that a failing decoder costs one image.

Pillow and the libraries below it are C code that reads untrusted data: it may hang, crash or use up
all memory. A child process has a deadline and a memory limit.
"""

import pickle
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap, takewhile

import numpy as np
import numpy.typing as npt

from imagebeam import child_process
from imagebeam.errors import ImagebeamError
from imagebeam.images.channel import Channel
from imagebeam.images.decode import DecodedImage
from imagebeam.images.errors import DecodeCrash, DecodeMemory, DecodeTimeout, ImageError
from imagebeam.images.reading.fetch import FetchRequest
from imagebeam.images.reading.shared_pixels import SLOTS, SharedPixels
from imagebeam.images.reading.wire_format import unpack
from imagebeam.images.settings import Preprocessing
from imagebeam.images.stage_times import Meter

_START_SECONDS = 60.0
_BATCH_BYTES = 32_000_000
"""Encoded images that a child receives at once: it holds them in memory while it decodes."""

_LOOKS = 10
"""Checks by the parent, within the time limit of one image, for a decoded one."""

_STARTS = 3
"""Attempts to start a child: something else may kill it before it is ready."""


NO_DECODER = "no decoding process can be started"


class NoDecoderError(ImagebeamError, OSError):
    """A decoding process cannot be started; the text states the reason and the fix."""


@dataclass(frozen=True)
class DecodeLimits:
    """Limits for the decoding of one image.

    Attributes:
        seconds: wall time from the start of its work to its pixels; up to a tenth more may pass.
        memory: bytes of address space that a child may take beyond what it starts with.
    """

    seconds: float = 60.0
    memory: int = 2_000_000_000


class DecodingProcess:
    """One child process, used by one thread at a time.

    It is started when it is first needed, and again after each loss. Only a socket and a piece of
    shared memory connect it to this process, so a child that dies leaves no lock behind. It ends
    with the thread that started it.
    """

    def __init__(self, preprocessing: Preprocessing, limits: DecodeLimits) -> None:
        self._preprocessing = preprocessing
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._shared: SharedPixels | None = None
        self._ended = False

    @property
    def is_ended(self) -> bool:
        """True after `end` was called."""
        return self._ended

    def start(self) -> None:
        """Start the child, if there is none.

        Raises:
            NoDecoderError: no child can be started, or `end` was called.
        """
        if self._ended:
            raise NoDecoderError("the work was ended")
        if self._channel is None:
            try:
                self._start()
            except BaseException as error:
                # A child that is only half started must not be used.
                self.close()
                if not isinstance(error, OSError):
                    raise
                raise NoDecoderError(
                    f"{NO_DECODER}: {error.strerror or error}. Raise the limits of processes, "
                    "memory and open files, or repair the installation of Python and Pillow."
                ) from error

    def read(
        self,
        requests: Sequence[FetchRequest],
        pixels: npt.NDArray[np.uint8],
        meter: Meter,
        digests: npt.NDArray[np.uint8] | None = None,
    ) -> list[DecodedImage | ImageError]:
        """Return the outcome of each image, in the order given.

        Args:
            requests: for N images.
            pixels: (N, H, W, 3); row i is filled if image i was decoded, otherwise unchanged.
            meter: counts the costs; those of a lost child are not counted.
            digests: (N, DIGEST_BYTES); row i is filled if the bytes of image i were read and the
                preprocessing has a kind of digest, otherwise unchanged.

        Raises:
            NoDecoderError: no child can be started.
        """
        outcomes: list[DecodedImage | ImageError] = []
        suspect = -1
        try:
            while len(outcomes) < len(requests):
                loss = self._read_on(requests, pixels, meter, outcomes, digests)
                if loss is None:
                    continue
                self.close()
                # An earlier image or another process may have caused the loss: the image is tried
                # again in a new child. An image that hangs is not tried again.
                if isinstance(loss, DecodeTimeout) or suspect == len(outcomes):
                    outcomes.append(loss)
                else:
                    suspect = len(outcomes)
        except BaseException:
            # Answers that were not read must not be taken for those of the next images.
            self.close()
            raise
        return outcomes

    def end(self) -> None:
        """Kill the child, whichever thread waits for it, and never start another one."""
        self._ended = True
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """End the child."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _read_on(
        self,
        requests: Sequence[FetchRequest],
        pixels: npt.NDArray[np.uint8],
        meter: Meter,
        outcomes: list[DecodedImage | ImageError],
        digests: npt.NDArray[np.uint8] | None,
    ) -> ImageError | None:
        """Append as many outcomes as the child has slots; return how it was lost, if it was."""
        self.start()
        assert self._channel is not None
        assert self._shared is not None
        first = len(outcomes)
        batch = _batch(requests[first : first + SLOTS])
        taken = _Taken(self._shared, pixels[first : first + len(batch)])
        try:
            self._channel.send(pickle.dumps(batch), self._limits.seconds)
            while len(taken.outcomes) < len(batch):
                outcome, costs = unpack(self._answer(taken))
                meter.add(costs)
                if isinstance(outcome, DecodeMemory):
                    return outcome
                taken.add(outcome)
        except TimeoutError:
            return DecodeTimeout(f"no pixels within {self._limits.seconds:g} s")
        except ValueError as error:
            return DecodeCrash(f"the decoding process sent an invalid answer: {error}")
        except (EOFError, OSError):
            return DecodeCrash(f"the decoding process ended with {self._ending()}")
        finally:
            taken.take()
            if digests is not None:
                last = first + len(taken.outcomes)
                digests[first:last] = self._shared.digests[: len(taken.outcomes)]
            outcomes += taken.outcomes
        return None

    def _answer(self, taken: "_Taken") -> bytearray:
        """Return the child's next message. Each picture before it has its own time."""
        assert self._channel is not None
        since, ready = time.monotonic(), 0
        while True:
            try:
                message = self._channel.receive(self._limits.seconds / _LOOKS)
            except TimeoutError:
                if (now := len(taken.ready())) > ready:
                    since, ready = time.monotonic(), now
                elif time.monotonic() - since >= self._limits.seconds:
                    raise
            else:
                taken.take()
                return message

    def _start(self) -> None:
        for _ in range(_STARTS):
            ours, theirs = socket.socketpair()
            self._channel = Channel(ours)
            self._shared = SharedPixels(self._preprocessing.size)
            with theirs:
                self._child = self._spawn(theirs.fileno(), self._shared.descriptor)
            try:
                self._channel.send(pickle.dumps((self._preprocessing, self._limits.memory)))
                self._channel.receive(_START_SECONDS)
                return
            except TimeoutError:
                reason = f"it did not answer for {_START_SECONDS:g} s"
            except (EOFError, OSError):
                reason = f"it ended with {self._ending()}"
            self.close()
        raise OSError(reason)

    def _spawn(self, *descriptors: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            child_process.command("imagebeam.images.reading.decoding_child:serve", *descriptors),
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # The child redirects it to a file that it reads; see `decoder_messages`.
            stderr=subprocess.DEVNULL,
            # NumPy would start threads for linear algebra, which busy-wait.
            env={"OPENBLAS_NUM_THREADS": "1"} | child_process.environment(),
        )

    def _ending(self) -> str:
        """Return how the child ended; end it if it only closed its socket."""
        assert self._child is not None
        try:
            code = self._child.wait(1)
        except subprocess.TimeoutExpired:
            return "a closed socket"
        return f"signal {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


class _Taken:
    """The outcomes of a batch. Pictures come by shared memory; errors and the last one by message.

    Attributes:
        outcomes: of the first images of the batch, as many as have arrived.
    """

    def __init__(self, shared: SharedPixels, pixels: npt.NDArray[np.uint8]) -> None:
        """Expect as many outcomes as there is room for in (N, H, W, 3) `pixels`."""
        self.outcomes: list[DecodedImage | ImageError] = []
        self._shared = shared
        self._pixels = pixels
        shared.sizes[:] = 0
        shared.digests[:] = 0

    def ready(self) -> list[tuple[int, int]]:
        """Return the sizes of the pictures that are there and not taken yet."""
        sizes = self._shared.sizes[len(self.outcomes) : len(self._pixels) - 1].tolist()
        return list(takewhile(lambda size: min(size) > 0, starmap(_size, sizes)))

    def take(self) -> None:
        """Take the pictures that are there."""
        self._copy(self.ready())

    def add(self, outcome: tuple[int, int] | ImageError) -> None:
        """Take the outcome that a message has for the next image."""
        if isinstance(outcome, ImageError):
            self.outcomes.append(outcome)
        else:
            self._copy([outcome])

    def _copy(self, sizes: Sequence[tuple[int, int]]) -> None:
        start = len(self.outcomes)
        self._pixels[start : start + len(sizes)] = self._shared.slots[start : start + len(sizes)]
        for row, (width, height) in enumerate(sizes, start):
            self.outcomes.append(DecodedImage(self._pixels[row], width, height))


def _size(width: int, height: int) -> tuple[int, int]:
    return width, height


def _batch(requests: Sequence[FetchRequest]) -> Sequence[FetchRequest]:
    """Return as many of the first requests as fit in one message, at least one."""
    size = 0
    for count, request in enumerate(requests):
        size += len(request) if isinstance(request, bytes) else 0
        if count and size > _BATCH_BYTES:
            return requests[:count]
    return requests
