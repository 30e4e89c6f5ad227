import fcntl
import io
import os
import pty
import re
import struct
import termios
import time
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.reporting import console
from imagebeam.outputs.account import Plan
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress

_PLAN = Plan(requested=5000, to_do=5000)


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_at_the_start_and_one_every_half_minute() -> None:
    clock, stream = _Clock(), io.StringIO()
    with console.progress(stream, clock) as show:
        show(Progress(None, 0, {}))
        assert stream.getvalue() == ""
        clock.now += 100
        show(Progress(_PLAN, 0, {}))
        clock.now += 29
        show(Progress(_PLAN, 2000, {}))
        assert stream.getvalue() == "imagebeam: 5,000 images to do\n"
        clock.now += 1
        show(Progress(_PLAN, 2870, {"truncated": 25, "corrupt": 105}))
        clock.now += 29
        show(Progress(_PLAN, 3000, {"truncated": 25, "corrupt": 105}))
        clock.now += 1
        show(Progress(_PLAN, 4800, {"truncated": 25, "corrupt": 105}))
    assert stream.getvalue().splitlines()[1:] == [
        "imagebeam: 3,000/5,000 images, 100 images/s, 20 s left, 105 corrupt, 25 truncated",
        "imagebeam: 4,930/5,000 images, 82 images/s, 1 s left, 105 corrupt, 25 truncated",
    ]


def test_a_job_without_a_finished_image_has_no_known_end() -> None:
    clock, stream = _Clock(), io.StringIO()
    with console.progress(stream, clock) as show:
        show(Progress(_PLAN, 0, {}))
        clock.now += 30
        show(Progress(_PLAN, 0, {}))
    assert stream.getvalue().splitlines()[1:] == [
        "imagebeam: 0/5,000 images, 0 images/s, time left unknown"
    ]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_a_bar_with_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    clock, stream = _Clock(), _Terminal()
    with console.progress(stream, clock) as show:
        clock.now += 2
        show(Progress(_PLAN, 95, {"corrupt": 5}))
    for part in ("labelling", "100/5000", "50 images/s", "5 corrupt"):
        assert part in stream.getvalue()


def test_names_are_shown_as_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    output = Path("/data/[red]photos[/b] :warning:")
    console.report_stopped("stopped", Layout(output))
    console.show_next_steps(output)
    said = capfd.readouterr()
    assert f"What is finished stays in {output}; run" in said.err
    assert f" verify {output}\n" in said.out


_SUMMARY = {
    "requested": 4,
    "labelled": 3,
    "failed": 1,
    "already_done": 0,
    "duplicates": 0,
    "already_labelled": 0,
    "already_failed": 0,
    "failed_by_code": {"corrupt": 1},
    "stages": {
        "decode": {"wall_seconds": 8.0, "cpu_seconds": 0.016},
        "infer": {"wall_seconds": 0.02, "cpu_seconds": 0.01},
    },
}


def _costs(core_seconds: float | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    console.show_summary(Layout(Path("out")), _SUMMARY, 2.0, core_seconds)
    said = capsys.readouterr().out
    assert "time     2.0 s, 2 images/s\n" in said
    return [" ".join(line.split()) for line in said.partition("each image")[2].splitlines()]


def test_what_an_image_took_shows_what_holds_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    stages = ["ms ms of a core", "decode 2,000.00 4.00", "infer 5.00 2.50"]
    assert _costs(0.126, capsys) == [*stages, "Beam and all else 25.00"]
    assert _costs(None, capsys) == stages


def test_a_job_that_had_nothing_to_do_has_no_costs(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = _SUMMARY | {"labelled": 0, "failed": 0, "failed_by_code": {}, "stages": {}}
    console.show_summary(Layout(Path("out")), nothing, 2.0, 1.0)
    assert "each image" not in capsys.readouterr().out


def _window(end: int, columns: int) -> None:
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def _lines(master: int) -> list[str]:
    """What has been drawn on a terminal up to now, without colours and moves."""
    drawn = os.read(master, 1 << 16).decode()
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", drawn)]


def test_the_bar_fits_the_terminal_that_it_is_on_also_after_a_resize(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Standard input and output are none, as in `find … | imagebeam label - … > log`."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    master, slave = pty.openpty()
    failed = {"corrupt": 5, "decode_timeout": 1, "unsupported_format": 12}
    widest = {}
    _window(slave, 150)
    with os.fdopen(slave, "w") as stream:
        with console.progress(stream) as show:
            for columns in (150, 60):
                _window(slave, columns)
                show(Progress(_PLAN, 95, failed))
                # A frame may be half drawn when the size changes.
                time.sleep(0.3)
                _lines(master)
                time.sleep(0.3)
                widest[columns] = max(map(len, _lines(master)))
        assert 100 < widest[150] <= 150
        assert 0 < widest[60] <= 60
    os.close(master)


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_log_that_shows_colours_gets_lines_all_the_same(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    stream = io.StringIO()
    with console.progress(stream) as show:
        show(Progress(_PLAN, 0, {}))
    assert stream.getvalue() == "imagebeam: 5,000 images to do\n"


def test_a_terminal_that_can_only_print_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = _Terminal()
    with console.progress(stream) as show:
        show(Progress(_PLAN, 0, {}))
    assert stream.getvalue() == "imagebeam: 5,000 images to do\n"


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
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
