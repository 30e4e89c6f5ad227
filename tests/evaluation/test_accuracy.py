import math

import pytest

from imagebeam.evaluation.accuracy import CorrectCounts, Evaluation, wilson_interval


# The definition of Wilson's interval: the measured share is exactly
# 1.96 standard deviations away from each end.
@pytest.mark.parametrize(("right", "images"), [(1, 7), (8, 10), (5_000, 10_000), (999, 1_000)])
def test_the_interval_has_the_expected_ends(right: int, images: int) -> None:
    for end in wilson_interval(right, images):
        deviation = math.sqrt(end * (1 - end) / images)
        assert abs(right / images - end) / deviation == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize("images", [1, 10])
def test_the_interval_ends_at_0_and_1(images: int) -> None:
    none, all_of_them = wilson_interval(0, images), wilson_interval(images, images)
    assert (none[0], all_of_them[1]) == pytest.approx((0.0, 1.0))
    # With no or only correct classes, the other end has a closed form.
    weight = 1.959964**2 / images
    assert none[1] == pytest.approx(weight / (1 + weight), abs=1e-6)
    assert all_of_them[0] == pytest.approx(1 / (1 + weight), abs=1e-6)


def test_ranks_are_counted() -> None:
    assert CorrectCounts.of([0, 4, 5, 0, 1]) == CorrectCounts(images=5, top_1=2, top_5=4)


def test_an_evaluation_counts_by_class_and_in_total() -> None:
    evaluation = Evaluation({"b": [0, 1], "a": [9]}, {"corrupt": 1})
    assert list(evaluation.counts_by_label.items()) == [
        ("a", CorrectCounts(1, 0, 0)),
        ("b", CorrectCounts(2, 1, 2)),
    ]
    assert evaluation.counts == CorrectCounts(3, 1, 2)
