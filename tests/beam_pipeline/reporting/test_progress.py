"""Test progress in a log and on a terminal, with a clock that the tests set."""

import fcntl
import io
import os
import pty
import re
import struct
import termios
from typing import TextIO

import pytest

from imagebeam.beam_pipeline.reporting import console
from imagebeam.beam_pipeline.reporting.progress import Step, byte_text, duration, progress
from imagebeam.outputs.account import Plan
from imagebeam.outputs.progress import Progress

_PLAN = Plan(requested=5000, to_do=5000)


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_log_receives_a_line_at_the_start_and_every_half_minute() -> None:
    clock, stream = _Clock(), io.StringIO()
    with console.progress(stream, clock) as show:
        show(Progress(None, 0, {}))
        assert stream.getvalue() == ""
        clock.now += 29
        show(Progress(_PLAN, 0, {}))
        clock.now += 29
        show(Progress(_PLAN, 2000, {}))
        assert stream.getvalue() == "imagebeam: labelling 5,000 images\n"
        clock.now += 1
        show(Progress(_PLAN, 2870, {"truncated": 25, "corrupt": 105}))
        clock.now += 29
        show(Progress(_PLAN, 3000, {"truncated": 25, "corrupt": 105}))
        clock.now += 1
        show(Progress(_PLAN, 4800, {"truncated": 25, "corrupt": 105}))
    assert stream.getvalue().splitlines()[1:] == [
        "imagebeam: labelling: 3,000/5,000 images, 100 images/s, 20 s left, "
        "105 corrupt, 25 truncated",
        "imagebeam: labelling: 4,930/5,000 images, 82 images/s, 0.85 s left, "
        "105 corrupt, 25 truncated",
    ]


def test_a_log_receives_the_last_step() -> None:
    clock, stream = _Clock(), io.StringIO()
    with progress(stream, "steps", clock) as show:
        for step in (0, 5, 10, 10):
            clock.now += 1
            show(Step("training", step, 10, f"loss {step}"))
    assert stream.getvalue().splitlines() == [
        "imagebeam: training 10 steps",
        "imagebeam: training: 10/10 steps, loss 10, 5.0 steps/s, 0 s left",
    ]


def test_a_log_receives_the_failures_of_a_job_that_ends_before_it_is_seen() -> None:
    stream = io.StringIO()
    with console.progress(stream) as show:
        for _ in range(2):
            show(Progress(Plan(requested=4, to_do=4), 3, {"permission_denied": 1}))
    assert stream.getvalue().splitlines() == [
        "imagebeam: labelling 4 images",
        "imagebeam: labelling: 4/4 images, 1 permission_denied",
    ]


def test_one_image_is_singular() -> None:
    stream = io.StringIO()
    with progress(stream, "images") as show:
        show(Step("labelling", 0, 1))
    assert stream.getvalue() == "imagebeam: labelling 1 image\n"


def test_the_time_left_is_unknown_before_the_first_image() -> None:
    clock, stream = _Clock(), io.StringIO()
    with console.progress(stream, clock) as show:
        show(Progress(_PLAN, 0, {}))
        clock.now += 30
        show(Progress(_PLAN, 0, {}))
    assert stream.getvalue().splitlines()[1:] == [
        "imagebeam: labelling: 0/5,000 images, 0 images/s, time left unknown"
    ]


def test_a_resumed_run_counts_its_own_rate() -> None:
    clock, stream = _Clock(), io.StringIO()
    with progress(stream, "steps", clock) as show:
        show(Step("training", 100, 200))
        clock.now += 30
        show(Step("training", 130, 200))
    assert stream.getvalue().splitlines()[1:] == [
        "imagebeam: training: 130/200 steps, 1.0 steps/s, 1 min 10 s left"
    ]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_with_the_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("TERM", "xterm-256color")
    clock, stream = _Clock(), _Terminal()
    with console.progress(stream, clock) as show:
        show(Progress(_PLAN, 0, {}))
        clock.now += 2
        show(Progress(_PLAN, 95, {"corrupt": 5}))
    for part in ("labelling", "100/5,000", "50 images/s", "1 min 38 s left", "5 corrupt"):
        assert part in stream.getvalue()


def _window(end: int, columns: int) -> None:
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def _lines(master: int, stream: TextIO) -> list[str]:
    """Return the text on a terminal up to now, without colours and cursor movements."""
    print("\nEND", file=stream, flush=True)
    drawn = ""
    while "END" not in drawn:
        drawn += os.read(master, 1 << 16).decode()
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", drawn)]


def test_the_bar_fits_the_terminal_after_a_resize(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redirect standard input and output, as in `find … | imagebeam label - … > log`."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    master, slave = pty.openpty()
    failed = {"corrupt": 5, "decode_timeout": 1, "unsupported_format": 12}
    widest = {}
    clock = _Clock()
    _window(slave, 150)
    with os.fdopen(slave, "w") as stream:
        with console.progress(stream, clock) as show:
            _lines(master, stream)
            for columns in (150, 60):
                _window(slave, columns)
                clock.now += 1
                show(Progress(_PLAN, 95, failed))
                widest[columns] = max(map(len, _lines(master, stream)))
        assert 100 < widest[150] <= 150
        assert 0 < widest[60] <= 60
    os.close(master)


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_log_with_colours_receives_lines(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    stream = io.StringIO()
    with console.progress(stream) as show:
        show(Progress(_PLAN, 0, {}))
    assert stream.getvalue() == "imagebeam: labelling 5,000 images\n"


def test_a_dumb_terminal_receives_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = _Terminal()
    with console.progress(stream) as show:
        show(Progress(_PLAN, 0, {}))
    assert stream.getvalue() == "imagebeam: labelling 5,000 images\n"


def test_no_colour_if_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    drawn = []
    for value in (None, "1"):
        monkeypatch.delenv("NO_COLOR", raising=False)
        if value:
            monkeypatch.setenv("NO_COLOR", value)
        stream = _Terminal()
        with console.progress(stream) as show:
            show(Progress(_PLAN, 95, {"corrupt": 5}))
        drawn.append(re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", stream.getvalue()))
    assert drawn[0] != []
    assert drawn[1] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.05, "0.05 s"),
        (0.4, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (12_000, "3 h 20 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (123_456_789, "123 MB"),
        (2 * 10**12, "2.0 TB"),
    ],
)
def test_byte_counts_have_a_fitting_unit(count: int, text: str) -> None:
    assert byte_text(count) == text


def test_a_long_listing_shows_how_many_images_it_has_found() -> None:
    clock, stream = _Clock(), io.StringIO()
    with console.progress(stream, clock) as show:
        clock.now += 30
        show(Progress(None, 0, {}, 0))
        clock.now += 30
        show(Progress(None, 0, {}, 120_000))
    assert stream.getvalue() == "imagebeam: listing\nimagebeam: listing: 120,000 images\n"
