"""The main function of a decoding process: it answers one batch of requests after the other."""

import pickle
import resource
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagebeam.channel import ANY_SIZE, Channel
from imagebeam.child_process import limit_memory, serving
from imagebeam.images import signatures
from imagebeam.images.containers.zip_methods import unpack_here
from imagebeam.images.decode import Turn, decode
from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.digests import digest_of
from imagebeam.images.errors import Corrupt, DecodeMemory, ImageError, UnexpectedFetch
from imagebeam.images.reading.batch import READY, Batch
from imagebeam.images.reading.decoder_messages import DecoderMessages
from imagebeam.images.reading.fetch import FetchRequest, fetch
from imagebeam.images.reading.picture_task import RunTask
from imagebeam.images.reading.shared_pixels import SharedPixels
from imagebeam.images.reading.turns import Turns
from imagebeam.images.reading.wire_format import pack, pack_answers
from imagebeam.images.settings import Preprocessing
from imagebeam.images.stage_times import Meter
from imagebeam.storage.errors import describe_unexpected


def serve(socket_descriptor: str, memory_descriptor: str, turns_descriptor: str = "") -> None:
    """Serve the process at the other end of a socket until it ends.

    Args:
        socket_descriptor: the descriptor of the socket.
        memory_descriptor: the descriptor of the memory where pixels go.
        turns_descriptor: the descriptor of the lock for large pictures; "" where they need no
            turns.
    """
    # The job's own limit is checked from the same header.
    Image.MAX_IMAGE_PIXELS = None
    messages = DecoderMessages()
    with serving(socket_descriptor) as channel:
        preprocessing, limits = pickle.loads(channel.receive())
        turn: Turn = nullcontext
        if turns_descriptor:
            turn = Turns(limits.pixels_at_once, int(turns_descriptor)).turn
        shared = SharedPixels(preprocessing.size, int(memory_descriptor))
        _limit_memory(limits.memory)
        channel.send(READY)
        run_task: RunTask | None = None
        while True:
            message = pickle.loads(channel.receive(most=ANY_SIZE))
            messages.forget()
            if not isinstance(message, Batch):
                # The memory of the task is not counted as that of an image.
                _limit_memory(None)
                try:
                    run_task = message.load()
                except Exception as error:
                    channel.send(f"{type(error).__name__}: {error}".encode(errors="replace"))
                    continue
                _limit_memory(limits.memory)
                channel.send(READY)
                continue
            meter = Meter()
            decoded = _read_all(message, preprocessing, shared, meter, messages, channel, turn)
            if message.with_task and decoded:
                assert run_task is not None
                channel.send(_answers(run_task, shared.slots, decoded, meter))


def _read_all(
    batch: Batch,
    preprocessing: Preprocessing,
    shared: SharedPixels,
    meter: Meter,
    messages: DecoderMessages,
    channel: Channel,
    turn: Turn,
) -> list[int]:
    """Give out the outcome of each request; return the rows of those that were decoded."""
    decoded = []
    for row, request in enumerate(batch.requests):
        outcome = _read(preprocessing, request, shared, row, meter, messages, turn)
        if not isinstance(outcome, ImageError):
            decoded.append(row)
        # The last message has the costs of all.
        answers_follow = batch.with_task and bool(decoded)
        last = row == len(batch.requests) - 1 and not answers_follow
        if isinstance(outcome, ImageError) or last:
            channel.send(pack(outcome, meter.costs if last else {}))
        else:
            # A message per picture would cost more than all else except decoding.
            shared.sizes[row] = outcome
    return decoded


def _answers(
    run_task: RunTask, slots: npt.NDArray[np.uint8], rows: Sequence[int], meter: Meter
) -> bytes:
    """Run the task on the pictures in some slots."""
    with meter.stage("infer"):
        # A slice needs no copy of the pixels.
        gapless = list(rows) == list(range(len(rows)))
        values, errors = run_task(slots[: len(rows)] if gapless else slots[list(rows)])
    return pack_answers(values, errors, meter.costs)


def read_image(
    request: FetchRequest,
    preprocessing: Preprocessing,
    meter: Meter,
    messages: DecoderMessages | None = None,
    digest: npt.NDArray[np.uint8] | None = None,
    turn: Turn = nullcontext,
) -> DecodedImage | ImageError:
    """Fetch and decode one image in this process.

    Args:
        request: where its bytes are.
        preprocessing: how it becomes the module's input.
        meter: counts what it costs.
        messages: the messages of decoders, where this process collects them.
        digest: uint8 (DIGEST_BYTES,), which receives that of the bytes if there shall be one.
        turn: see `decode`.
    """
    try:
        with meter.stage("fetch"):
            data = fetch(request, preprocessing.max_bytes, unpack_here)
            if preprocessing.digest is not None and digest is not None:
                digest[:] = np.frombuffer(digest_of(data, preprocessing.digest), np.uint8)
        with meter.stage("decode"):
            is_tiff = signatures.is_tiff(data)
            if messages is not None and is_tiff:
                messages.forget()
            image = decode(
                data,
                preprocessing.size,
                preprocessing.resize,
                preprocessing.max_pixels,
                preprocessing.truncated,
                turn,
            )
            if messages is not None and is_tiff and (damage := messages.damage()):
                raise Corrupt(damage)
            return image
    except ImageError as error:
        # A new object: traceback and cause would keep the picture's bytes as long as the error.
        return type(error)(*error.args)


def _read(
    preprocessing: Preprocessing,
    request: FetchRequest,
    shared: SharedPixels,
    row: int,
    meter: Meter,
    messages: DecoderMessages,
    turn: Turn,
) -> tuple[int, int] | ImageError:
    try:
        read = read_image(request, preprocessing, meter, messages, shared.digests[row], turn)
        if isinstance(read, ImageError):
            return read
        shared.slots[row] = read.pixels
        return read.width, read.height
    except MemoryError:
        return DecodeMemory("no memory was left to read it")
    except Exception as error:
        return UnexpectedFetch(describe_unexpected(error))


def _limit_memory(extra: int | None) -> None:
    """Allow so many bytes of address space beyond what is held now; None allows all."""
    if sys.platform != "linux":
        # Other systems do not report or limit address space; the deadline remains.
        return
    if extra is None:
        limit_memory(None)
        return
    held = _MOST_HELD_AT_START
    # Some sandboxes have no /proc.
    with suppress(OSError), open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    limit_memory(held + extra)


_MOST_HELD_AT_START = 1 << 30
