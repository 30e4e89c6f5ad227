"""Child processes that fetch and decode images, so that a failing decoder costs one image.

Pillow and the libraries below it are C code that reads untrusted data: it may hang, crash or use up
all memory. A child process has a deadline and a memory limit.
"""

import os
import pickle
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.channel import Channel
from imagebeam.errors import RAISE_UNEXPECTED, ImagebeamError
from imagebeam.images.errors import DecodeMemory, DecodeTimeout, ImageError, UnexpectedFetch
from imagebeam.images.reading.batch import Batch
from imagebeam.images.reading.decoded_batch import DecodedBatch, Outcome, batches
from imagebeam.images.reading.fetch import FetchRequest
from imagebeam.images.reading.picture_task import PictureTask
from imagebeam.images.reading.started_child import StartedChild
from imagebeam.images.reading.turns import Turns
from imagebeam.images.reading.wire_format import unpack, unpack_answers
from imagebeam.images.settings import DecodeLimits, Preprocessing
from imagebeam.images.stage_times import Meter
from imagebeam.service_process import START_SECONDS

_LOOKS = 10
"""Checks by the parent, within the time limit of one image, for a decoded one."""

_STARTS = 3
"""Attempts to start a child: something else may kill it before it is ready."""

NO_DECODER = "no decoding process can be started"


class NoDecoderError(ImagebeamError, OSError):
    """A decoding process cannot be started; the text states the reason and the fix."""


class DecodingProcess:
    """One child process, used by one thread at a time.

    It is started when it is first needed, and again after each loss. Only a socket and a piece of
    shared memory connect it to this process, so a child that dies leaves no lock behind. It ends
    with the thread that started it.
    """

    def __init__(
        self, preprocessing: Preprocessing, limits: DecodeLimits, turns: Turns | None = None
    ) -> None:
        self._preprocessing = preprocessing
        self._limits = limits
        self._turns = turns
        self._child: StartedChild | None = None
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
        if self._child is None or (task is not None and self._child.loaded != task.key):
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
            requests: the requests for N images.
            results: row i is filled if image i has no error: uint8 (N, H, W, 3) for the pixels, or
                float32 (N, width) for the values of the task.
            meter: counts the costs; those of a lost child are not counted.
            task: the task to run on the pictures in the child; None gives the pixels.
            digests: (N, DIGEST_BYTES); row i is filled if the bytes of image i were read and the
                preprocessing has a kind of digest, otherwise unchanged.

        Raises:
            NoDecoderError: no child can be started.
            TaskLoadError: the child cannot load the task.
        """
        outcomes: dict[int, Outcome] = {}
        todo = deque(batches(requests))
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
        if self._child is not None:
            self._child.end()
            self._child = None

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
        assert self._child is not None
        channel, shared = self._child.channel, self._child.shared
        batch = DecodedBatch(shared, len(rows), task is not None)
        error: ImageError | None = None
        failed: dict[int, ImageError] = {}
        try:
            asked = Batch([requests[row] for row in rows], task is not None)
            channel.send(pickle.dumps(asked), seconds=self._limits.seconds)
            answer: bytearray | None = None
            while not batch.is_complete():
                message = self._answer(channel, batch)
                if batch.is_complete():
                    answer = message
                    break
                outcome, costs = unpack(message)
                meter.add(costs)
                if isinstance(outcome, DecodeMemory):
                    error = outcome
                    break
                if isinstance(outcome, UnexpectedFetch) and os.environ.get(RAISE_UNEXPECTED):
                    raise RuntimeError(str(outcome))
                batch.outcomes.append(outcome)
            decoded = [rows[slot] for slot in batch.slots()]
            if error is None and task is not None and decoded:
                answer = answer or channel.receive()
                results[decoded], failures, costs = unpack_answers(answer, len(decoded), task.width)
                failed = {decoded[position]: each for position, each in failures.items()}
                meter.add(costs)
        except TimeoutError:
            error = DecodeTimeout(f"no pixels within {self._limits.seconds:g} s")
        except ValueError as invalid:
            error = batch.crash(f"sent an invalid answer: {invalid}")
        except (EOFError, OSError):
            error = batch.crash(f"ended with {self._child.ending()}")
        batch.look()
        for slot, outcome in enumerate(batch.outcomes):
            row = rows[slot]
            if digests is not None:
                digests[row] = shared.digests[slot]
            if isinstance(outcome, ImageError):
                outcomes[row] = outcome
            elif task is None:
                results[row] = shared.slots[slot]
                outcomes[row] = outcome
            elif error is None:
                outcomes[row] = failed.get(row, outcome)
        if error is None:
            return None
        return _Loss(error, None if batch.is_complete() else rows[len(batch.outcomes)])

    def _answer(self, channel: Channel, batch: DecodedBatch) -> bytearray:
        """Return the child's next message. Each picture before it has its own time."""
        since, ready = time.monotonic(), len(batch.outcomes)
        while True:
            try:
                message = channel.receive(self._limits.seconds / _LOOKS)
            except TimeoutError:
                batch.look()
                if batch.is_complete():
                    # The time of a task has no limit.
                    return channel.receive()
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
                if self._child is None:
                    self._child = StartedChild(self._preprocessing.size, self._turns)
                    self._child.prepare(self._preprocessing, self._limits)
                if task is not None and self._child.loaded != task.key:
                    self._child.load(task)
                return
            except TimeoutError:
                reason = f"it did not answer for {START_SECONDS:g} s"
            except (EOFError, OSError):
                if self._child is None:
                    raise
                reason = f"it ended with {self._child.ending()}"
            self.close()
        raise OSError(reason)


@dataclass(frozen=True)
class _Loss:
    """The end of a child.

    Attributes:
        error: the error of the image that caused it.
        row: the image that it was decoding; None if it was running the task on all of them.
    """

    error: ImageError
    row: int | None
