"""The main function of a decoding process: it answers one list of requests after the other."""

import pickle
import resource
import signal
import socket
import sys

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagebeam.child_process import end_with_parent
from imagebeam.images import signatures
from imagebeam.images.channel import ANY_SIZE, Channel
from imagebeam.images.decode import DecodedImage, decode
from imagebeam.images.digests import digest_of
from imagebeam.images.errors import Corrupt, DecodeMemory, ImageError, UnexpectedFetch
from imagebeam.images.reading.decoder_messages import DecoderMessages
from imagebeam.images.reading.fetch import FetchRequest, fetch
from imagebeam.images.reading.shared_pixels import SharedPixels
from imagebeam.images.reading.wire_format import pack
from imagebeam.images.settings import Preprocessing
from imagebeam.images.stage_times import Meter
from imagebeam.storage.errors import describe_unexpected


def serve(socket_descriptor: str, memory_descriptor: str) -> None:
    """Serve the process at the other end of a socket until it ends.

    Args:
        socket_descriptor: of the socket.
        memory_descriptor: of the memory where pixels go.
    """
    # Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    # The job's own limit is checked from the same header.
    Image.MAX_IMAGE_PIXELS = None
    # Core files of expected crashes would fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    messages = DecoderMessages()
    with socket.socket(fileno=int(socket_descriptor)) as end:
        channel = Channel(end)
        try:
            preprocessing, memory = pickle.loads(channel.receive())
            shared = SharedPixels(preprocessing.size, int(memory_descriptor))
            _limit_memory(memory)
            channel.send(b"ready")
            while True:
                requests = pickle.loads(channel.receive(most=ANY_SIZE))
                meter = Meter()
                messages.forget()
                for row, request in enumerate(requests):
                    outcome = _read(preprocessing, request, shared, row, meter, messages)
                    last = row == len(requests) - 1
                    if not isinstance(outcome, ImageError) and not last:
                        # A message per picture would cost more than all else except decoding.
                        shared.sizes[row] = outcome
                    else:
                        # The last message has the costs of all.
                        channel.send(pack(outcome, meter.costs if last else {}))
        except (EOFError, ConnectionError):
            return


def read_image(
    request: FetchRequest,
    preprocessing: Preprocessing,
    meter: Meter,
    messages: DecoderMessages | None = None,
    digest: npt.NDArray[np.uint8] | None = None,
) -> DecodedImage | ImageError:
    """Fetch and decode one image in this process.

    Args:
        request: where its bytes are.
        preprocessing: how it becomes the module's input.
        meter: counts what it costs.
        messages: of decoders, where this process collects them.
        digest: uint8 (DIGEST_BYTES,), which receives that of the bytes if there shall be one.
    """
    try:
        with meter.stage("fetch"):
            data = fetch(request, preprocessing.max_bytes)
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
) -> tuple[int, int] | ImageError:
    try:
        read = read_image(request, preprocessing, meter, messages, shared.digests[row])
        if isinstance(read, ImageError):
            return read
        shared.slots[row] = read.pixels
        return read.width, read.height
    except MemoryError:
        return DecodeMemory("no memory was left to read it")
    except Exception as error:
        return UnexpectedFetch(describe_unexpected(error))


def _limit_memory(extra: int) -> None:
    if sys.platform != "linux":
        # Other systems do not report or limit address space; the deadline remains.
        return
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + extra, held + extra))
