import time

import pytest

from imagebeam.images.stage_times import Meter, StageTime, Stopwatch, total


def test_waiting_takes_no_cpu_time() -> None:
    meter = Meter()
    with meter.stage("wait"):
        time.sleep(0.2)
    assert meter.costs["wait"].wall >= 0.2
    assert meter.costs["wait"].cpu < 0.1


def test_work_takes_wall_and_cpu_time() -> None:
    meter = Meter()
    with meter.stage("work"):
        start = time.thread_time()
        while time.thread_time() - start < 0.1:
            pass
    assert meter.costs["work"].cpu >= 0.1
    assert meter.costs["work"].wall >= 0.1


def test_a_failing_stage_is_counted() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="no"), meter.stage("fail"):
        raise ValueError("no")
    assert list(meter.costs) == ["fail"]


def test_a_stopwatch_can_be_continued() -> None:
    watch = Stopwatch()
    time.sleep(0.2)
    first = watch.cost()
    assert first.wall >= 0.2
    start = time.process_time()
    while time.process_time() - start < 0.1:
        pass
    assert watch.cost().cpu >= first.cpu + 0.1
    assert watch.cost().wall >= first.wall + 0.1


def test_stages_add_up() -> None:
    parts = [{"a": StageTime(0.5, 0.25), "b": StageTime(1, 1)}, {"a": StageTime(1.5, 0.25)}]
    assert total(parts) == {"a": StageTime(2, 0.5), "b": StageTime(1, 1)}
