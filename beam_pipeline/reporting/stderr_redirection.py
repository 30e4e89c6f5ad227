"""What libraries print, kept away from the person who watches."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TextIO


@contextmanager
def redirect_library_stderr(path: Path, debug: bool) -> Iterator[TextIO]:
    """Send what libraries say, in any language, to the end of a file; gives the real stderr.

    Workers print the trace of every failed try, and native code writes past Python's streams:
    neither is for a person who watches a progress bar. With `debug` all of it is shown.
    """
    logging.captureWarnings(True)
    with _logging_from(logging.INFO if debug else logging.WARNING):
        if debug:
            yield sys.stderr
            return
        with _aside(path) as stderr:
            yield stderr


@contextmanager
def _logging_from(level: int) -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    try:
        yield
    finally:
        # Outside, nothing is put aside, and a library's warning would reach the terminal.
        root.setLevel(before)


@contextmanager
def _aside(path: Path) -> Iterator[TextIO]:
    sys.stderr.flush()
    real = os.dup(2)
    # Never closed: a library may keep it, and write when this is over.
    expendable = _text(_Expendable(2, "w", closefd=False))
    try:
        with (
            path.open("a") as file,
            _text(_Abandonable(os.dup(real), "w")) as stderr,
            _logging_to(expendable),
            redirect_stderr(expendable),
        ):
            os.dup2(file.fileno(), 2)
            yield stderr
    finally:
        os.dup2(real, 2)
        os.close(real)


@contextmanager
def _logging_to(stream: TextIO) -> Iterator[None]:
    """Log to a stream, and not to the standard error that handlers of before hold.

    What a full disk refuses would stay in the buffer of that and come out on the terminal later.
    """
    root = logging.getLogger()
    held = [handler for handler in root.handlers if getattr(handler, "stream", None) is sys.stderr]
    for handler in held:
        root.removeHandler(handler)
    ours = logging.StreamHandler(stream)
    ours.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    root.addHandler(ours)
    try:
        yield
    finally:
        root.removeHandler(ours)
        for handler in held:
            root.addHandler(handler)


def ignore_broken_pipe(stream: Any) -> TextIO:
    """The same stream, but for an end that loses what nobody reads any more."""
    stream.flush()
    end = _Abandonable(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(end), stream.encoding, stream.errors, line_buffering=True
    )


def _text(end: io.FileIO) -> TextIO:
    return io.TextIOWrapper(end, "utf-8", "backslashreplace", write_through=True)


class _Abandonable(io.FileIO):
    """Goes on when whoever reads has left, as `| head` does."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            return memoryview(data).nbytes


class _Expendable(io.FileIO):
    """Takes everything and loses what cannot be written.

    Beam's worker prints the trace of an error before it reports it: where the disk is full and
    the print raises, the report is never sent and the job waits for it forever.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes
