"""Test that a task which ends its process affects only the picture that is the cause."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_process import DecodingProcess
from imagebeam.images.reading.picture_task import TaskLoadError
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import DecodeLimits
from imagebeam.images.stage_times import Meter
from tests.faults.decoding import PREPROCESSING, bmp, children
from tests.faults.tasks import KILL, KILL_ONCE, REFUSE, WAIT, MeanTask

pytestmark = pytest.mark.usefixtures("faulty_decoder")


@pytest.fixture
def process() -> Iterator[DecodingProcess]:
    one = DecodingProcess(PREPROCESSING, DecodeLimits(memory=100_000_000))
    yield one
    one.close()


def _answers(process: DecodingProcess, uris: Sequence[str], task: MeanTask) -> list[float | str]:
    """Return the first value of each picture, or the code of its error."""
    values = np.zeros((len(uris), task.width), np.float32)
    outcomes = process.read([*map(ImageLocation, uris)], values, Meter(), task)
    return [
        outcome.code if isinstance(outcome, ImageError) else values[row, 0].item()
        for row, outcome in enumerate(outcomes)
    ]


def _pictures(folder: Path, levels: Sequence[int], **faults: str) -> list[str]:
    return [
        bmp(folder / f"{row}.bmp", level, faults.get(f"at{row}", ""))
        for row, level in enumerate(levels)
    ]


def test_the_answers_come_in_order_from_whole_blocks(tmp_path: Path) -> None:
    uris = _pictures(tmp_path, range(100), at40="raise")
    uris[3] = str(tmp_path / "none.bmp")
    with_errors = ImageReader(PREPROCESSING, 2)
    answers = with_errors.answers([*map(ImageLocation, uris)], MeanTask(tmp_path))
    with_errors.close()
    errors = {
        row: outcome.code
        for row, outcome in enumerate(answers.outcomes)
        if isinstance(outcome, ImageError)
    }
    assert errors == {3: "not_found", 40: "corrupt"}
    good = [row for row in range(100) if row not in errors]
    assert [answers.outcomes[row] for row in good] == [(10, 10)] * 98
    assert answers.values[good, 0].tolist() == good
    assert set(answers.values[good, 1].tolist()) == {4, 15, 16}
    assert set(answers.costs) == {"fetch", "decode", "infer"}


def test_few_processes_get_larger_blocks(tmp_path: Path) -> None:
    reader = ImageReader(PREPROCESSING, 1)
    uris = _pictures(tmp_path, range(100))
    answers = reader.answers([*map(ImageLocation, uris)], MeanTask(tmp_path))
    reader.close()
    assert answers.outcomes == [(10, 10)] * 100
    assert answers.values.tolist() == [[row, 28 if row < 84 else 16] for row in range(100)]


@pytest.mark.parametrize("bad", [{0}, {39}, {0, 17, 39}, set(range(40)), set(range(1, 40))])
def test_errors_anywhere_in_a_block_leave_the_others_their_answers(
    tmp_path: Path, process: DecodingProcess, bad: set[int]
) -> None:
    uris = _pictures(tmp_path, range(40))
    for row in bad:
        Path(uris[row]).unlink()
    expected = ["not_found" if row in bad else row for row in range(40)]
    values, meter = np.zeros((40, 2), np.float32), Meter()
    task = MeanTask(tmp_path)
    outcomes = process.read([*map(ImageLocation, uris)], values, meter, task)
    assert [
        outcome.code if isinstance(outcome, ImageError) else values[row, 0]
        for row, outcome in enumerate(outcomes)
    ] == expected
    whole = bad == set(range(40))
    assert set(meter.costs) == ({"fetch"} if whole else {"fetch", "decode", "infer"})
    assert _answers(process, [bmp(tmp_path / "next.bmp", 5)], task) == [5]


def test_a_picture_that_the_task_refuses_fails_alone(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = _pictures(tmp_path, [1, REFUSE, 3])
    assert _answers(process, uris, MeanTask(tmp_path)) == [1, "inference_failed", 3]
    assert len(children()) == 1


def test_a_block_that_ends_its_process_once_is_run_again(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = _pictures(tmp_path, [1, KILL_ONCE, 3])
    assert _answers(process, uris, MeanTask(tmp_path)) == [1, KILL_ONCE, 3]


def test_a_picture_that_always_ends_the_process_fails_alone(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = _pictures(tmp_path, [1, KILL, 3, KILL], at2="raise")
    expected = [1, "inference_failed", "corrupt", "inference_failed"]
    assert _answers(process, uris, MeanTask(tmp_path)) == expected
    assert _answers(process, uris[:1], MeanTask(tmp_path)) == [1]


def test_decoders_that_fail_leave_the_answers_of_others(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = _pictures(tmp_path, range(20), at2="crash", at3="eat", at9="crash once")
    expected = [*range(20)]
    assert _answers(process, uris, MeanTask(tmp_path)) == [
        {2: "decode_crash", 3: "decode_memory"}.get(row, row) for row in expected
    ]


def test_a_process_killed_while_it_runs_the_task_fails_no_picture(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = _pictures(tmp_path, [1, WAIT, 3])

    def kill() -> None:
        while not (tmp_path / "reached").exists():
            time.sleep(0.005)
        [child] = children()
        child.kill()
        (tmp_path / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    assert _answers(process, uris, MeanTask(tmp_path)) == [1, WAIT, 3]
    killer.join()


def test_a_task_is_loaded_once_per_process(tmp_path: Path, process: DecodingProcess) -> None:
    uris = _pictures(tmp_path, range(40))
    for _ in range(2):
        assert _answers(process, uris, MeanTask(tmp_path)) == [*range(40)]
    assert (tmp_path / "loads").read_text() == "x"
    assert _answers(process, uris[:1], MeanTask(tmp_path, key="other")) == [0]
    assert (tmp_path / "loads").read_text() == "xx"


def test_a_task_that_cannot_be_loaded_is_an_error_with_its_reason(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = _pictures(tmp_path, [1])
    with pytest.raises(TaskLoadError, match="ValueError: the weights are damaged"):
        _answers(process, uris, MeanTask(tmp_path, loads=False))
    assert _answers(process, uris, MeanTask(tmp_path)) == [1]
