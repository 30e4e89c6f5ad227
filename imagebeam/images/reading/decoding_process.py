"""Child processes that fetch and decode images, so that a failing decoder costs one image.

Pillow and the libraries below it are C code that reads untrusted data: it may hang, crash or use up
all memory. A child process has a deadline and a memory limit.
"""

import os
import pickle
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from imagebeam import child_process
from imagebeam.errors import RAISE_UNEXPECTED, ImagebeamError
from imagebeam.images.channel import Channel
from imagebeam.images.errors import (
    DecodeCrash,
    DecodeMemory,
    DecodeTimeout,
    ImageError,
    InferenceFailed,
    UnexpectedFetch,
)
from imagebeam.images.reading.decoding_child import READY, Batch
from imagebeam.images.reading.fetch import FetchRequest
from imagebeam.images.reading.picture_task import PictureTask, TaskLoadError
from imagebeam.images.reading.shared_pixels import SLOTS, SharedPixels
from imagebeam.images.reading.wire_format import unpack, unpack_answers
from imagebeam.images.settings import Preprocessing
from imagebeam.images.stage_times import Meter

_START_SECONDS = 60.0
_BATCH_BYTES = 32_000_000
"""Encoded images that a child receives at once: it holds them in memory while it decodes."""

_LOOKS = 10
"""Checks by the parent, within the time limit of one image, for a decoded one."""

_STARTS = 3
"""Attempts to start a child: something else may kill it before it is ready."""

Outcome: TypeAlias = tuple[int, int] | ImageError
"""Width and height of an original picture, or why there is none."""

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
        self._loaded = ""
        self._ended = False

    @property
    def is_ended(self) -> bool:
        """True after `end` was called."""
        return self._ended

    def start(self, task: PictureTask | None = None) -> None:
        """Start the child, if there is none, and let it load the task.

        Raises:
            NoDecoderError: no child can be started, or `end` was called.
            TaskLoadError: it cannot load the task.
        """
        if self._ended:
            raise NoDecoderError("the work was ended")
        if self._channel is None or (task is not None and self._loaded != task.key):
            try:
                self._start(task)
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
        results: npt.NDArray[Any],
        meter: Meter,
        task: PictureTask | None = None,
        digests: npt.NDArray[np.uint8] | None = None,
    ) -> list[Outcome]:
        """Return the outcome of each image, in the order given.

        Args:
            requests: for N images.
            results: row i is filled if image i has no error: uint8 (N, H, W, 3) for the pixels, or
                float32 (N, width) for the values of the task.
            meter: counts the costs; those of a lost child are not counted.
            task: to run on the pictures in the child; None gives the pixels.
            digests: (N, DIGEST_BYTES); row i is filled if the bytes of image i were read and the
                preprocessing has a kind of digest, otherwise unchanged.

        Raises:
            NoDecoderError: no child can be started.
            TaskLoadError: the child cannot load the task.
        """
        outcomes: dict[int, Outcome] = {}
        todo = deque(_batches(requests))
        suspects: set[int] = set()
        try:
            while todo:
                rows = todo.popleft()
                loss = self._read_batch(requests, rows, results, meter, task, outcomes, digests)
                if loss is None:
                    continue
                self.close()
                undone = [row for row in rows if row not in outcomes]
                if loss.row is None and len(undone) > 1:
                    # The task ended the child: alone, each picture shows if it was the cause.
                    todo.extendleft([row] for row in reversed(undone))
                    continue
                culprit = undone[0] if loss.row is None else loss.row
                undone.remove(culprit)
                if undone:
                    todo.appendleft(undone)
                # An earlier image or another process may have caused the loss: the image is tried
                # again in a new child. An image that hangs is not tried again.
                if isinstance(loss.error, DecodeTimeout) or culprit in suspects:
                    outcomes[culprit] = loss.error
                else:
                    suspects.add(culprit)
                    todo.appendleft([culprit])
        except BaseException:
            # Answers that were not read must not be taken for those of the next images.
            self.close()
            raise
        return [outcomes[row] for row in range(len(requests))]

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

    def _read_batch(
        self,
        requests: Sequence[FetchRequest],
        rows: Sequence[int],
        results: npt.NDArray[Any],
        meter: Meter,
        task: PictureTask | None,
        outcomes: dict[int, Outcome],
        digests: npt.NDArray[np.uint8] | None,
    ) -> "_Loss | None":
        """Add the outcomes of some rows; return how the child was lost, if it was."""
        self.start(task)
        assert self._channel is not None
        assert self._shared is not None
        batch = _DecodedBatch(self._shared, len(rows))
        error: ImageError | None = None
        failed: dict[int, ImageError] = {}
        try:
            message = Batch([requests[row] for row in rows], task is not None)
            self._channel.send(pickle.dumps(message), self._limits.seconds)
            while not batch.is_complete():
                outcome, costs = unpack(self._answer(batch))
                meter.add(costs)
                if isinstance(outcome, DecodeMemory):
                    error = outcome
                    break
                if isinstance(outcome, UnexpectedFetch) and os.environ.get(RAISE_UNEXPECTED):
                    raise RuntimeError(str(outcome))
                batch.outcomes.append(outcome)
            decoded = [rows[slot] for slot in batch.slots()]
            if error is None and task is not None and decoded:
                answer = self._channel.receive()
                results[decoded], failures, costs = unpack_answers(answer, len(decoded), task.width)
                failed = {decoded[position]: each for position, each in failures.items()}
                meter.add(costs)
        except TimeoutError:
            error = DecodeTimeout(f"no pixels within {self._limits.seconds:g} s")
        except ValueError as invalid:
            error = batch.crash(f"sent an invalid answer: {invalid}")
        except (EOFError, OSError):
            error = batch.crash(f"ended with {self._ending()}")
        batch.look()
        for slot, outcome in enumerate(batch.outcomes):
            row = rows[slot]
            if digests is not None:
                digests[row] = self._shared.digests[slot]
            if isinstance(outcome, ImageError):
                outcomes[row] = outcome
            elif task is None:
                results[row] = self._shared.slots[slot]
                outcomes[row] = outcome
            elif error is None:
                outcomes[row] = failed.get(row, outcome)
        if error is None:
            return None
        return _Loss(error, None if batch.is_complete() else rows[len(batch.outcomes)])

    def _answer(self, batch: "_DecodedBatch") -> bytearray:
        """Return the child's next message. Each picture before it has its own time."""
        assert self._channel is not None
        since, ready = time.monotonic(), len(batch.outcomes)
        while True:
            try:
                message = self._channel.receive(self._limits.seconds / _LOOKS)
            except TimeoutError:
                batch.look()
                if len(batch.outcomes) > ready:
                    since, ready = time.monotonic(), len(batch.outcomes)
                elif time.monotonic() - since >= self._limits.seconds:
                    raise
            else:
                batch.look()
                return message

    def _start(self, task: PictureTask | None) -> None:
        for _ in range(_STARTS):
            try:
                if self._channel is None:
                    self._connect()
                if task is not None and self._loaded != task.key:
                    self._load(task)
                return
            except TimeoutError:
                reason = f"it did not answer for {_START_SECONDS:g} s"
            except (EOFError, OSError):
                if self._child is None:
                    raise
                reason = f"it ended with {self._ending()}"
            self.close()
        raise OSError(reason)

    def _connect(self) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._shared = SharedPixels(self._preprocessing.size)
        with theirs:
            self._child = self._spawn(theirs.fileno(), self._shared.descriptor)
        self._loaded = ""
        self._channel.send(pickle.dumps((self._preprocessing, self._limits.memory)))
        self._channel.receive(_START_SECONDS)

    def _load(self, task: PictureTask) -> None:
        assert self._channel is not None
        self._channel.send(pickle.dumps(task), _START_SECONDS)
        reason = self._channel.receive(_START_SECONDS)
        if reason != READY:
            raise TaskLoadError(reason.decode(errors="replace"))
        self._loaded = task.key

    def _spawn(self, *descriptors: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            child_process.command("imagebeam.images.reading.decoding_child:serve", *descriptors),
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # The child redirects it to a file that it reads; see `decoder_messages`.
            stderr=subprocess.DEVNULL,
            # NumPy would start threads for linear algebra, which busy-wait.
            # The child reports what it does not expect; this process raises it.
            env={"OPENBLAS_NUM_THREADS": "1"}
            | child_process.environment()
            | {RAISE_UNEXPECTED: ""},
        )

    def _ending(self) -> str:
        """Return how the child ended; end it if it only closed its socket."""
        assert self._child is not None
        try:
            code = self._child.wait(1)
        except subprocess.TimeoutExpired:
            return "a closed socket"
        return f"signal {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


@dataclass(frozen=True)
class _Loss:
    """The end of a child.

    Attributes:
        error: of the image that caused it.
        row: the image that it was decoding; None if it was running the task on all of them.
    """

    error: ImageError
    row: int | None


class _DecodedBatch:
    """The outcomes of a batch. Sizes come by shared memory; errors and the last one by message.

    Attributes:
        outcomes: of the first images of the batch, as many as have arrived.
    """

    def __init__(self, shared: SharedPixels, count: int) -> None:
        self.outcomes: list[Outcome] = []
        self._shared = shared
        self._count = count
        shared.sizes[:] = 0
        shared.digests[:] = 0

    def is_complete(self) -> bool:
        """Tell if the outcomes of all images have arrived."""
        return len(self.outcomes) == self._count

    def slots(self) -> list[int]:
        """Return the slots that hold a picture."""
        return [slot for slot, each in enumerate(self.outcomes) if isinstance(each, tuple)]

    def look(self) -> None:
        """Take the sizes of the pictures that are there."""
        for width, height in self._shared.sizes[len(self.outcomes) : self._count - 1].tolist():
            if min(width, height) <= 0:
                break
            self.outcomes.append((width, height))

    def crash(self, what: str) -> ImageError:
        """Return the error of the image on which the child did something unexpected."""
        self.look()
        if self.is_complete():
            return InferenceFailed(f"the process that ran the module {what}")
        return DecodeCrash(f"the decoding process {what}")


def _batches(requests: Sequence[FetchRequest]) -> list[list[int]]:
    """Return the rows of the requests, as many together as fit in the slots and in one message."""
    batches: list[list[int]] = []
    size = 0
    for row, request in enumerate(requests):
        length = len(request) if isinstance(request, bytes) else 0
        size += length
        if not batches or len(batches[-1]) == SLOTS or size > _BATCH_BYTES:
            batches.append([])
            size = length
        batches[-1].append(row)
    return batches
