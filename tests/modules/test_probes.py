import numpy as np
import pytest

from imagebeam.modules.probes import (
    are_constant,
    are_percentages,
    are_probabilities,
    kind_of_classifier,
    probe_pictures,
)


def test_probe_pictures_are_the_same_each_time() -> None:
    pictures = probe_pictures((40, 24), 5)
    assert pictures.shape == (5, 40, 24, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures, probe_pictures((40, 24), 5))


def test_probe_pictures_are_soft_and_differ() -> None:
    pictures = probe_pictures((160, 160)).astype(int)
    assert abs(np.diff(pictures, axis=1)).max() <= 256 / 20 + 1
    assert abs(np.diff(pictures, axis=2)).max() <= 256 / 20 + 1
    assert abs(np.diff(pictures, axis=0)).mean() > 30


def test_pictures_of_one_pixel_are_possible() -> None:
    assert probe_pictures((1, 1), 2).shape == (2, 1, 1, 3)


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        ([[0.25, 0.75], [1.0, 0.0]], True),
        ([[0.25, 0.75], [0.5, 0.6]], False),
        ([[-0.25, 1.25]], False),
        ([[0.3333, 0.3333, 0.3333]], True),
        ([[0.33203125, 0.33203125, 0.33203125]], True),
        ([[float("nan"), 1.0]], False),
    ],
)
def test_probabilities_are_not_negative_and_sum_to_one(
    rows: list[list[float]], answer: bool
) -> None:
    assert are_probabilities(np.array(rows)) is answer


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        ([[25.0, 75.0], [100.0, 0.0]], True),
        ([[25.0, 60.0]], False),
        ([[-25.0, 125.0]], False),
        ([[0.25, 0.75]], False),
    ],
)
def test_percentages_are_not_negative_and_sum_to_a_hundred(
    rows: list[list[float]], answer: bool
) -> None:
    assert are_percentages(np.array(rows, np.float32)) is answer


@pytest.mark.parametrize(
    ("rows", "ends_in"), [([[25.0, 75.0], [100.0, 0.0]], None), ([[2.5, 0.2]], "percent")]
)
def test_percentages_are_scores(rows: list[list[float]], ends_in: str | None) -> None:
    values = np.array(rows, np.float32)
    assert kind_of_classifier(values, ends_in, has_sigmoids=False, has_names=False) == "scores"


def test_features_that_differ_do_not_make_answers_differ() -> None:
    features = np.array([[0.001, 0.0], [0.0, 0.001]], np.float32)
    assert are_constant({"features": features, "logits": np.zeros((2, 3), np.float32)})
    assert not are_constant({"features": features})
    assert not are_constant({"features": features, "logits": np.eye(2, 3, dtype=np.float32)})
