import pytest

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners.watchdog import (
    AbortLimits,
    FailureLimit,
    StalledError,
    TooManyFailuresError,
    Watchdog,
)
from imagebeam.outputs.account import Plan
from imagebeam.outputs.progress import Progress


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _progress(labelled: int, failed: int = 0) -> Progress:
    return Progress(Plan(to_do=5000), labelled, {"corrupt": failed} if failed else {})


def test_a_stall_lasts_while_no_image_is_finished() -> None:
    clock = _Clock()
    guard = Watchdog(AbortLimits(FailureLimit(), 60), clock)
    for done in (1, 1, 2):
        clock.now += 60
        guard.check(_progress(done))
    clock.now += 60
    guard.check(_progress(2))
    clock.now += 1
    with pytest.raises(StalledError, match=r"no shard was finished for 61 s \(--stall-seconds\)"):
        guard.check(_progress(2))


def test_a_failed_image_ends_a_stall() -> None:
    clock = _Clock()
    guard = Watchdog(AbortLimits(FailureLimit(), 60), clock)
    guard.check(_progress(5))
    clock.now += 60
    guard.check(_progress(5, failed=1))
    clock.now += 60
    guard.check(_progress(5, failed=1))


def test_a_stall_is_counted_from_the_end_of_the_listing() -> None:
    clock = _Clock()
    guard = Watchdog(AbortLimits(FailureLimit(), 60), clock)
    clock.now += 60
    guard.check(Progress(None, 0, {}))
    clock.now += 60
    guard.check(_progress(0))
    clock.now += 60
    guard.check(_progress(0))
    clock.now += 1
    with pytest.raises(StalledError):
        guard.check(_progress(0))


def test_an_endless_listing_is_a_stall() -> None:
    clock = _Clock()
    guard = Watchdog(AbortLimits(FailureLimit(), 60), clock)
    guard.check(Progress(None, 0, {}))
    clock.now += 61
    with pytest.raises(StalledError):
        guard.check(Progress(None, 0, {}))


def test_failures_count_after_a_thousand_images() -> None:
    guard = Watchdog(AbortLimits(FailureLimit(0.1), 60), _Clock())
    guard.check(_progress(0, failed=999))
    guard.check(_progress(900, failed=100))
    with pytest.raises(TooManyFailuresError, match=r"^101 of the first 1,000 images failed$"):
        guard.check(_progress(899, failed=101))


def test_a_job_whose_first_images_all_fail_continues_by_default() -> None:
    guard = Watchdog(AbortLimits(FailureLimit(), 60), _Clock())
    guard.check(_progress(0, failed=2000))
    assert FailureLimit().exceeded(2000, 2000)


def test_a_count_is_exceeded_at_once() -> None:
    guard = Watchdog(AbortLimits(FailureLimit(count=3), 60), _Clock())
    guard.check(_progress(1, failed=3))
    with pytest.raises(TooManyFailuresError, match=r"^4 of the first 5 images failed$"):
        guard.check(_progress(1, failed=4))


@pytest.mark.parametrize(
    ("text", "failed", "images", "too_many"),
    [
        ("0", 0, 0, False),
        ("0", 1, 10, True),
        ("0.0", 0, 10, False),
        ("0.0", 1, 10, True),
        ("0.1", 1, 10, False),
        ("0.1", 2, 10, True),
        ("1.0", 9, 10, False),
        ("1.0", 10, 10, True),
        ("1", 1, 10, False),
        ("1", 2, 10, True),
        ("100", 100, 1000, False),
        ("100", 101, 1000, True),
        ("100", 10, 10, True),
    ],
)
def test_limits_are_exceeded_by_more_failures(
    text: str, failed: int, images: int, too_many: bool
) -> None:
    assert FailureLimit.parse(text).exceeded(failed, images) is too_many


@pytest.mark.parametrize("text", ["1.5", "-1", "-0.1", "many", "nan", "", "٣", "1" * 5_000])
def test_an_invalid_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"give a share such as 0\.05, or a count such as 100"):
        FailureLimit.parse(text)
