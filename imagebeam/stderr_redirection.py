"""Standard error: redirect what libraries write to it, and survive a reader that has left."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TextIO


@contextmanager
def redirect_descriptor(target: int) -> Iterator[int]:
    """Send file descriptor 2 to another descriptor; gives one for the real standard error.

    Native code writes to the descriptor and passes by Python's streams.
    """
    real = os.dup(2)
    try:
        os.dup2(target, 2)
        yield real
    finally:
        os.dup2(real, 2)
        os.close(real)


@contextmanager
def redirect_library_stderr(path: Path, debug: bool) -> Iterator[TextIO]:
    """Append everything that libraries write to stderr to a file; gives the real stderr.

    Workers print the trace of every failed attempt, and native code writes to the descriptor:
    both would destroy a progress bar. With `debug` everything is shown.
    """
    with _logged(logging.INFO if debug else logging.WARNING):
        if debug:
            yield sys.stderr
            return
        with _redirected(path) as stderr:
            yield stderr


@contextmanager
def _logged(level: int) -> Iterator[None]:
    """Log warnings, and set the level of the root logger, until the end of the block."""
    root = logging.getLogger()
    level_before, hook_before = root.level, warnings.showwarning
    logging.captureWarnings(True)
    captured_here = warnings.showwarning is not hook_before
    root.setLevel(level)
    try:
        yield
    finally:
        root.setLevel(level_before)
        if captured_here:
            logging.captureWarnings(False)


@contextmanager
def _redirected(path: Path) -> Iterator[TextIO]:
    sys.stderr.flush()
    # The stream is not closed: a library may keep it and write to it after this block.
    replacement = _text(_IgnoreWriteErrors(2, "w", closefd=False))
    with (
        path.open("a") as file,
        redirect_descriptor(file.fileno()) as real,
        _text(_IgnoreWriteErrors(os.dup(real), "w")) as stderr,
        _logging_to(replacement),
        redirect_stderr(replacement),
    ):
        yield stderr


@contextmanager
def _logging_to(stream: TextIO) -> Iterator[None]:
    """Log to a stream instead of the standard error that existing handlers hold.

    Text that a full disk refused would stay in that stream's buffer and appear on the terminal
    later.
    """
    root = logging.getLogger()
    held = [handler for handler in root.handlers if getattr(handler, "stream", None) is sys.stderr]
    for handler in held:
        root.removeHandler(handler)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for handler in held:
            root.addHandler(handler)


def ignore_broken_pipe(stream: Any) -> TextIO:
    """Return the same stream, but it drops what it writes once its reader has left."""
    return _on(stream, _IgnoreBrokenPipe)


def ignore_write_errors(stream: Any) -> TextIO:
    """Return the same stream, but it drops what cannot be written."""
    return _on(stream, _IgnoreWriteErrors)


def _on(stream: Any, kind: "type[_IgnoreWriteErrors]") -> TextIO:
    stream.flush()
    end = kind(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        # An encoding may lack letters of a message, as that of the locale C does.
        io.BufferedWriter(end),
        stream.encoding,
        "backslashreplace",
        line_buffering=True,
    )


def _text(end: io.FileIO) -> TextIO:
    return io.TextIOWrapper(end, "utf-8", "backslashreplace", write_through=True)


class _IgnoreWriteErrors(io.FileIO):
    """Accepts everything and drops what cannot be written.

    Beam's worker prints the trace of an error before it reports the error: if the disk is full and
    the print raises, the report is never sent and the job waits for it forever.
    """

    ignored: type[OSError] = OSError

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except self.ignored:
            return memoryview(data).nbytes


class _IgnoreBrokenPipe(_IgnoreWriteErrors):
    """Continues when the reader has left, as `| head` does."""

    ignored = BrokenPipeError
