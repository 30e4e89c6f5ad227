from collections import Counter

import pytest

from imagebeam.beam_pipeline.doctor.estimate import Price, duration, estimate
from imagebeam.beam_pipeline.doctor.sample import Sample
from imagebeam.images.stage_times import StageTime

# A hundred images at 1 + 2 + 1 ms of a core, whose storage keeps them waiting for 3 ms.
_SAMPLE = Sample(100, Counter(), StageTime(0.4, 0.1), StageTime(0.2, 0.2), 0.1)


def test_work_time_and_cost() -> None:
    found = estimate(_SAMPLE, 9_000_000, True, Price(cores=20, per_core_hour=0.05))
    assert found.facts["core_seconds"] == pytest.approx(36_000)
    assert found.facts["seconds"] == pytest.approx(1800)
    assert found.facts["cost"] == pytest.approx(0.5)
    assert found.message == (
        "10 h of one core; 30 min on 20 cores; 0.50 at 0.05 a core hour; because 100 images took "
        "4 ms of a core each here (read 1, decode 2, infer 1) and waited 3 ms for their storage; "
        "Beam's own work and the start of workers come on top"
    )


def test_what_nobody_said_is_not_guessed() -> None:
    found = estimate(_SAMPLE, 1000, False, Price())
    assert (found.facts["seconds"], found.facts["cost"]) == (None, None)
    assert found.message.startswith("at least 4 s of one core; say --cores for the time that")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.05, "0.05 s"), (119, "1.2e+02 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2.31 days")],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told
