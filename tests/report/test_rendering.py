import math

import pytest

from imagebeam.report.rendering import score_text


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.9951, "1.00"), (0.9949, "1.00"), (0.9944, "0.99"), (0.25, "0.25"), (0.0, "0.00")],
)
def test_scores_are_rounded_to_thousandths_and_then_to_two_decimals(
    score: float, text: str
) -> None:
    assert score_text(score) == text


def test_a_score_that_is_not_a_number_is_a_dash() -> None:
    assert score_text(math.nan) == "–"
