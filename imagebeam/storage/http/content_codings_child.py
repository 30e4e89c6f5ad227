"""The main function of a process that decompresses bodies: a flaw of a decompressor ends it.

Requests are pickled. Answers are a letter and plain bytes: a process that a body has taken over
must not be able to run anything in another one.
"""

import gzip
import io
import pickle
import zlib

from imagebeam.channel import ANY_SIZE
from imagebeam.child_process import limit_memory, serving
from imagebeam.service_process import READY

DATA, ENDS_EARLY, TOO_MUCH_MEMORY, DAMAGED, FAILED = b"D", b"E", b"M", b"X", b"F"
"""The kinds of answers: the first byte."""

_START_BYTES = 1_000_000_000
"""Address space for small bodies: Python and Arrow take a third of it."""


def serve(descriptor: str) -> None:
    """Serve the process at the other end of a socket until it is gone."""
    with serving(descriptor) as channel:
        channel.send(READY)
        while True:
            coding, most, data = pickle.loads(channel.receive(most=ANY_SIZE))
            limit_memory(_START_BYTES + 2 * len(data) + 3 * most)
            try:
                channel.send(DATA, _decompressed(data, coding, most))
            except ConnectionError:
                raise
            except EOFError:
                channel.send(ENDS_EARLY)
            except MemoryError:
                channel.send(TOO_MUCH_MEMORY)
            except (OSError, zlib.error):
                channel.send(DAMAGED)
            except Exception as error:
                channel.send(FAILED, f"{type(error).__name__}: {error}".encode(errors="replace"))


def _decompressed(data: bytes, coding: str, most: int) -> bytes:
    match coding:
        case "gzip":
            with gzip.open(io.BytesIO(data)) as file:
                return file.read(most)
        case "deflate":
            # The standard means zlib's format; some servers send the bare stream.
            is_zlib = data[:1] and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            bits = zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
            stream = zlib.decompressobj(bits)
            unpacked = stream.decompress(data, most)
            if len(unpacked) < most and not stream.eof:
                raise EOFError
            return unpacked
        case _:
            return _read_with_arrow(data, "brotli" if coding == "br" else coding, most)


def _read_with_arrow(data: bytes, codec: str, most: int) -> bytes:
    # Imported here, because few servers need it.
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
            return bytes(stream.read(most))
    except OSError as error:
        if "truncated" in str(error).lower():
            raise EOFError from None
        raise
