from datetime import datetime, timezone

from imagebeam.report.timeline import Bin, PartTime, Timeline

NOON = 1_767_268_800.0
"""2026-01-01 12:00:00 UTC."""


def test_no_parts_have_no_timeline() -> None:
    assert Timeline.of([]) is None


def test_parts_are_counted_at_the_time_they_were_finished() -> None:
    parts = [PartTime(NOON + seconds, rows) for seconds, rows in [(9.5, 4), (0.2, 1), (0.9, 2)]]
    timeline = Timeline.of(parts)
    assert timeline == Timeline(NOON, 1, [3, 0, 0, 0, 0, 0, 0, 0, 0, 4], NOON + 0.2, NOON + 9.5)
    start = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)
    assert timeline.bins == [Bin(start, 3, 3.0), Bin(start.replace(second=9), 4, 4.0)]
    assert timeline.is_drawn
    assert timeline.sentence == (
        "7 images from 2026-01-01 12:00 to 2026-01-01 12:00 UTC: 0.8 per second, including pauses."
    )


def test_a_long_job_has_wide_bins() -> None:
    timeline = Timeline.of([PartTime(NOON + hour * 3600, 3600) for hour in range(11)])
    assert timeline is not None
    assert timeline.seconds == 600
    assert len(timeline.images) == 61
    assert sum(timeline.images) == 11 * 3600
    assert timeline.bins[0].rate == 6.0


def test_years_are_shown_in_days() -> None:
    timeline = Timeline.of([PartTime(NOON, 1), PartTime(NOON + 800 * 86400, 1)])
    assert timeline is not None
    assert (timeline.seconds, len(timeline.images)) == (86400, 801)


def test_a_short_job_is_described_in_a_sentence() -> None:
    timeline = Timeline.of([PartTime(NOON, 1200), PartTime(NOON + 0.4, 34)])
    assert timeline is not None
    assert not timeline.is_drawn
    assert timeline.sentence == "Finished: 1,234 images, within 0.4 s, by 2026-01-01 12:00 UTC."
