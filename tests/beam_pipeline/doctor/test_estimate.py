from collections import Counter

import pytest

from imagebeam.beam_pipeline.doctor.estimate import Forecast, Price, estimate
from imagebeam.beam_pipeline.doctor.sample import Sample
from imagebeam.beam_pipeline.doctor.trial import Trial
from imagebeam.images.stage_times import StageTime


def _trial(images: int, seconds: float, core_seconds: float, output_bytes: int) -> Trial:
    stages = {
        "fetch": StageTime(0.004 * images, 0.001 * images),
        "decode": StageTime(0.002 * images, 0.002 * images),
    }
    return Trial(images, Counter(), seconds, core_seconds, output_bytes, stages)


# On 2 cores, a job takes 3 s and 2 ms per image; 2.5 s of CPU time and 4 ms per image; 5 kB and 100
# bytes per image.
_SAMPLE = Sample(_trial(100, 3.2, 2.9, 15_000), _trial(2100, 7.2, 10.9, 215_000))


def test_the_line_through_two_jobs_is_continued() -> None:
    forecast = Forecast.of(_SAMPLE, 1_000_000, listing_seconds=10.0, cores=2)
    assert forecast.start_seconds == pytest.approx(3 + 10)
    assert forecast.seconds_per_image == pytest.approx(0.002)
    assert forecast.seconds(2) == pytest.approx(13 + 2000)
    assert forecast.seconds(20) == pytest.approx(13 + 200)
    assert forecast.core_seconds == pytest.approx(2.5 + 10 + 4000)
    assert forecast.output_bytes == 5_000 + 100_000_000
    assert forecast.stage_seconds == pytest.approx(
        {"fetch": 0.001, "decode": 0.002, "other": 0.001}
    )
    assert forecast.waiting_seconds == pytest.approx(0.003)
    assert not forecast.is_upper_limit


def test_a_job_that_was_measured_whole_is_its_own_estimate() -> None:
    whole = _trial(100, 3.2, 2.9, 15_000)
    forecast = Forecast.of(Sample(whole, whole), 100, 0.0, cores=2)
    assert forecast.seconds(2) == pytest.approx(3.2)
    assert forecast.core_seconds == pytest.approx(2.9)
    assert forecast.output_bytes == 15_000
    assert not forecast.is_upper_limit
    message = estimate(forecast, True, Price(cores=2)).message
    assert "100 images here: 32 ms per image on 2 cores, start and end included; CPU" in message


def test_large_figures_have_no_exponent() -> None:
    slow = _trial(2, 3000.0, 2.0, 100)
    message = estimate(Forecast.of(Sample(slow, slow), 2, 0.0, cores=2), True, Price()).message
    assert "1,500,000 ms per image" in message


def test_time_and_cost_are_reported() -> None:
    forecast = Forecast.of(_SAMPLE, 1_000_000, 10.0, cores=2)
    found = estimate(forecast, True, Price(cores=20, per_core_hour=0.05))
    assert found.facts["seconds"] == pytest.approx(213)
    # All 20 cores are paid for until the end.
    assert found.facts["cost"] == pytest.approx(20 * 213 / 3600 * 0.05)
    assert found.message == (
        "3 min 33 s on 20 cores, 1 h 6 min of CPU time, 0.06 at 0.05 per core hour. Measured with "
        "a job on 2,100 images here: 13 s to start, list and end, then 2 ms per image on 2 cores; "
        "CPU ms per image: fetch 1, decode 2, other 1; 3 ms I/O wait."
    )


def test_unknown_figures_are_not_guessed() -> None:
    found = estimate(Forecast.of(_SAMPLE, 1000, 0.0, cores=2), False, Price(on_cluster=True))
    assert (found.facts["seconds"], found.facts["cost"]) == (None, None)
    assert found.message.startswith("at least 6.5 s of CPU time, give --cores to see how long")
    assert found.message.endswith(" The start of workers on the cluster comes on top.")


def test_one_small_job_gives_an_upper_limit() -> None:
    only = _trial(16, 20.0, 30.0, 9_000)
    found = estimate(Forecast.of(Sample(only, only), 160, 0.0, cores=2), True, Price(cores=2))
    assert found.facts["seconds"] == pytest.approx(200)
    assert found.message.startswith("at most 3 min 20 s on 2 cores")
    assert found.message.endswith("too short for more images: allow more with --deadline.")
