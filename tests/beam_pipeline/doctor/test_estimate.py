from collections import Counter

import pytest

from imagebeam.beam_pipeline.doctor.estimate import Price, estimate
from imagebeam.beam_pipeline.doctor.sample import Sample
from imagebeam.images.stage_times import StageTime

# A hundred images with 1 + 2 + 1 ms of CPU time and 3 ms of waiting for storage.
_SAMPLE = Sample(100, Counter(), StageTime(0.4, 0.1), StageTime(0.2, 0.2), 0.1)


def test_cpu_time_wall_time_and_cost_are_estimated() -> None:
    found = estimate(_SAMPLE, 9_000_000, True, Price(cores=20, per_core_hour=0.05))
    assert found.facts["core_seconds"] == pytest.approx(36_000)
    assert found.facts["seconds"] == pytest.approx(1800)
    assert found.facts["cost"] == pytest.approx(0.5)
    assert found.message == (
        "10 h 0 min of CPU time, 30 min 0 s on 20 cores, 0.50 at 0.05 per core hour. "
        "Measured on 100 images: 4 ms CPU per image (read 1, decode 2, infer 1), 3 ms I/O wait. "
        "Excludes Beam overhead and start-up."
    )


def test_unknown_figures_are_not_guessed() -> None:
    found = estimate(_SAMPLE, 1000, False, Price())
    assert (found.facts["seconds"], found.facts["cost"]) == (None, None)
    assert found.message.startswith("at least 4 s of CPU time, give --cores to see how long")
