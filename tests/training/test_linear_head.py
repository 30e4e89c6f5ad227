"""Test the linear classifier against properties of its minimum."""

import numpy as np
import pytest

from imagebeam.training.linear_head import Classes, Examples, class_weights, fit

_ONES = np.ones(3, np.float32)


def _clouds(count: int, seed: int, spread: float = 1.0) -> Examples:
    """Return points around three corners of a triangle, on axes of very different scales."""
    generator = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    corners = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0]])
    points = corners[classes] + generator.normal(0, spread, (count, 3))
    # The third axis is constant, as features that no picture excites are.
    return Examples((points * [1, 1000, 0] + [5, -200, 7]).astype(np.float32), classes)


def _accuracy(classes: Classes, logits: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == classes).mean())


def test_separate_classes_are_told_apart() -> None:
    learnt, new = _clouds(300, 0, 0.3), _clouds(300, 1, 0.3)
    head = fit(learnt, learnt, _ONES)
    assert head.weights.shape == (3, 3)
    assert _accuracy(new.classes, head.logits(new.features)) == 1


def test_the_result_is_the_minimum_of_the_penalised_loss() -> None:
    """Compare the mean probability of each class with its share: equal only near the minimum."""
    learnt = _clouds(300, 0, 2.0)
    uneven = Examples(learnt.features[:250], np.where(learnt.classes[:250] == 1, 0, 2))
    head = fit(uneven, uneven, _ONES)
    logits = head.logits(uneven.features).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    # The penalty also holds the bias, which shifts the means by up to a thousandth of it.
    np.testing.assert_allclose(
        shares.mean(axis=0), np.bincount(uneven.classes, minlength=3) / 250, atol=0.01
    )


def test_training_stops_when_the_validation_loss_no_longer_falls() -> None:
    """Learn noise: more iterations only fit the training pictures better."""
    generator = np.random.default_rng(0)
    learnt, validated = (
        Examples(generator.normal(size=(90, 60)).astype(np.float32), np.arange(90) % 3)
        for _ in range(2)
    )
    patient, impatient = (
        fit(learnt, validated, _ONES, patience=patience, iterations=400) for patience in (None, 2)
    )
    assert impatient.iterations == patient.iterations < 100
    np.testing.assert_array_equal(impatient.weights, patient.weights)


def test_balanced_weights_find_a_rare_class() -> None:
    generator = np.random.default_rng(0)

    def draw(count: int, rare: int) -> Examples:
        classes = (np.arange(count) < rare).astype(np.intp)
        features = generator.normal(0, 1, (count, 1)) + 1.5 * classes[:, np.newaxis]
        return Examples(features.astype(np.float32), classes)

    learnt, new = draw(1000, 30), draw(400, 200)
    weights = class_weights(learnt.classes, 2)
    assert weights.tolist() == [pytest.approx(1000 / 1940), pytest.approx(1000 / 60)]
    equal = fit(learnt, learnt, np.ones(2, np.float32))
    balanced = fit(learnt, learnt, weights)
    rare = new.classes == 1
    assert equal.logits(new.features[rare]).argmax(axis=1).mean() < 0.3
    assert balanced.logits(new.features[rare]).argmax(axis=1).mean() > 0.65
