"""Child processes in which images are fetched and decoded, so that a decoder can only hurt itself.

Pillow and the libraries below it are C code that reads what strangers wrote: it may hang, crash
or eat all memory. In a child of its own with a deadline and a memory limit that costs one image.
"""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from images.decode import DecodedImage
from images.errors import CODES, DecodeCrash, DecodeTimeout, ImageError
from images.preprocessing import Preprocessing

Outcome = DecodedImage | ImageError

_PICTURE, _ERROR = 0, 1
_HEADER = struct.Struct("<BII")


@dataclass(frozen=True)
class Limits:
    """What one image may cost.

    Attributes:
        seconds: of wall time, from its turn to its pixels.
        memory: bytes of address space that a child may take beyond what it starts with.
    """

    seconds: float = 60.0
    memory: int = 2_000_000_000


class DecodingProcess:
    """One child process, for one thread of this process at a time.

    It is started when it is first needed and again after each loss. A pipe of its own is all that
    connects it, so a child that dies at any moment leaves nothing locked or half read to others;
    and it ends by itself when this process is gone.
    """

    def __init__(self, preprocessing: Preprocessing, limits: Limits) -> None:
        self._preprocessing = preprocessing
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def read(self, uris: Sequence[str]) -> list[Outcome]:
        """The picture behind each URI, or the error that it ends in, in the order given.

        Raises:
            OSError: no child can be started.
        """
        outcomes: list[Outcome] = []
        crashed = False
        while len(outcomes) < len(uris):
            turn = len(outcomes)
            loss = self._read_on(uris[turn:], outcomes)
            if loss is None:
                break
            # Something else may have killed the child: an image is to blame if it is its turn
            # twice. One that hangs is not waited for again.
            again = crashed and len(outcomes) == turn
            crashed = isinstance(loss, DecodeCrash) and not again
            if not crashed:
                outcomes.append(loss)
        return outcomes

    def close(self) -> None:
        """End the child."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def _read_on(self, uris: Sequence[str], outcomes: list[Outcome]) -> ImageError | None:
        """Append outcomes until all are there, or else say how the child was lost."""
        pipe = self._pipe or self._start()
        try:
            pipe.send(uris)
            for _ in uris:
                if not pipe.poll(self._limits.seconds):
                    self.close()
                    return DecodeTimeout(f"no pixels within {self._limits.seconds:g} s")
                outcomes.append(_unpacked(pipe.recv_bytes(), self._preprocessing.size))
        except (EOFError, OSError):
            assert self._child is not None
            code = self._child.wait()
            self.close()
            return DecodeCrash(f"the decoding process ended with {_ending(code)}")
        return None

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # The child finds what this process found, and nothing in the current folder.
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"},
            )
        self._pipe = Connection(ours.detach())
        self._pipe.send((self._preprocessing, self._limits.memory))
        return self._pipe


_PROGRAM = "import sys; from images.isolation import serve; serve(int(sys.argv[1]))"


def serve(descriptor: int) -> None:
    """What the child does: answer for one list of URIs after the other until the pipe closes."""
    # Ctrl-C reaches the whole group; whoever holds the pipe decides when this ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(descriptor) as pipe:
        try:
            preprocessing, memory = pipe.recv()
            _limit_memory(memory)
            while True:
                for uri in pipe.recv():
                    pipe.send_bytes(_packed(preprocessing.read(uri)))
        except (EOFError, ConnectionError):
            return


def _limit_memory(extra: int) -> None:
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + extra, held + extra))


# Plain bytes and no pickle on the way back: a child that a picture has taken over must not be
# able to run anything here.
def _packed(outcome: Outcome) -> bytes:
    if isinstance(outcome, ImageError):
        return _HEADER.pack(_ERROR, 0, 0) + f"{outcome.code}\n{outcome}".encode()
    return _HEADER.pack(_PICTURE, outcome.width, outcome.height) + outcome.pixels.tobytes()


def _unpacked(message: bytes, size: tuple[int, int]) -> Outcome:
    kind, width, height = _HEADER.unpack_from(message)
    if kind == _ERROR:
        code, _, text = message[_HEADER.size :].decode().partition("\n")
        return CODES[code](text)
    pixels = np.frombuffer(message, np.uint8, offset=_HEADER.size).reshape(*size, 3)
    return DecodedImage(pixels, width, height)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
