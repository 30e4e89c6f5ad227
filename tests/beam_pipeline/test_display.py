import io
from pathlib import Path

import pytest

from beam_pipeline import display
from results.account import Plan
from results.layout import Layout
from results.progress import Progress

_PLAN = Plan(requested=5000, to_do=5000)


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_at_the_start_and_one_every_half_minute() -> None:
    clock, stream = _Clock(), io.StringIO()
    with display.progress(stream, clock) as show:
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
    with display.progress(stream, clock) as show:
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
    with display.progress(stream, clock) as show:
        clock.now += 2
        show(Progress(_PLAN, 95, {"corrupt": 5}))
    for part in ("labelling", "100/5000", "50 images/s", "5 corrupt"):
        assert part in stream.getvalue()


def test_names_are_shown_as_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    output = Path("/data/[red]photos[/b] :warning:")
    display.say_stopped("stopped", Layout(output))
    display.say_next(output)
    said = capfd.readouterr()
    assert f"What is finished stays in {output}; run" in said.err
    assert f" verify {output}\n" in said.out
