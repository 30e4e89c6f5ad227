import numpy as np

from imagebeam.modules.model_outputs import ModelOutputs, softmax


def test_scores_are_exponentials_over_their_sum() -> None:
    logits = np.log(np.array([[1, 2, 5], [3, 3, 2]], np.float32))
    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]])


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([[1e30, 0, -1e30], [88.0, 88.0, -200.0]], np.float32)
    np.testing.assert_allclose(softmax(logits), [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], atol=1e-30)


def test_no_rows_have_no_scores() -> None:
    scores = softmax(np.empty((0, 3), np.float32))
    assert scores.shape == (0, 3)
    assert scores.dtype == np.float32


def test_one_logit_separates_two_classes() -> None:
    outputs = ModelOutputs.from_heads({"logits": np.array([[0.0], [np.log(3)]], np.float32)})
    assert outputs.scores is not None
    assert outputs.logits is not None
    np.testing.assert_allclose(outputs.scores, [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(outputs.logits, [[0, 0], [0, np.log(3)]], rtol=1e-6)


def test_percentages_become_scores() -> None:
    percentages = np.array([[25.0, 75.0], [100.0, 0.0]], np.float32)
    outputs = ModelOutputs.from_heads({"scores": percentages}, percent=True)
    assert outputs.scores is not None
    np.testing.assert_array_equal(outputs.scores, [[0.25, 0.75], [1.0, 0.0]])
    outputs = ModelOutputs.from_heads({"scores": percentages[:, :1]}, percent=True)
    assert outputs.scores is not None
    np.testing.assert_array_equal(outputs.scores, [[0.75, 0.25], [0.0, 1.0]])
