from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.modules.engines.tensorflow import TensorFlowEngine
from tests.modules.saved_models import (
    SIZE,
    mean_colours,
    pictures,
    quantops_network,
    write_tf1,
    write_tf2,
)

_PIXELS = np.random.default_rng(0).integers(0, 256, (37, SIZE, SIZE, 3), dtype=np.uint8)
_LOGITS = mean_colours(tf.constant(_PIXELS / np.float32(255))).numpy()
_LOGIT_STEP = 0.146457


def _classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": mean_colours(images)}


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 37])
def test_every_picture_of_any_batch_has_outputs(tmp_path: Path, count: int) -> None:
    engine = TensorFlowEngine(write_tf2(tmp_path / "module", {"default": _classify}))
    answers = engine.run(_PIXELS[:count])
    assert answers.logits is not None
    assert answers.scores is not None
    assert answers.features is None
    assert answers.logits.shape == (count, 5)
    np.testing.assert_allclose(answers.logits, _LOGITS[:count], rtol=1e-5)
    expected = np.exp(_LOGITS[:count])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers.scores, expected, rtol=1e-5)


def test_a_fixed_batch_length_works(tmp_path: Path) -> None:
    spec = pictures(batch=5)
    engine = TensorFlowEngine(write_tf2(tmp_path / "module", {"default": _classify}, spec))
    answers = engine.run(_PIXELS)
    assert answers.logits is not None
    np.testing.assert_allclose(answers.logits, _LOGITS, rtol=1e-5)


def test_both_heads_of_a_tf1_module_run(tmp_path: Path) -> None:
    signatures = {
        "image_classification": lambda images: {"default": quantops_network(images)["logits"]},
        "image_feature_vector": lambda images: {"default": quantops_network(images)["features"]},
    }
    answers = TensorFlowEngine(write_tf1(tmp_path / "module", signatures)).run(_PIXELS)
    expected = quantops_network(tf.constant(_PIXELS / np.float32(255)))
    assert answers.logits is not None
    assert answers.features is not None
    np.testing.assert_allclose(answers.logits, expected["logits"].numpy(), atol=0.04)
    np.testing.assert_allclose(answers.features, expected["features"].numpy(), atol=0.01)


def test_a_module_that_ends_in_a_softmax_gives_only_scores(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": tf.nn.softmax(mean_colours(images))}

    answers = TensorFlowEngine(write_tf2(tmp_path / "module", {"default": classify})).run(_PIXELS)
    assert answers.logits is None
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores, tf.nn.softmax(_LOGITS).numpy(), rtol=1e-5)


def test_a_module_with_a_table_runs(tmp_path: Path) -> None:
    # A table is a resource but not a variable: it cannot become a constant.
    class WithTable(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            keys, values = tf.constant([0, 1]), tf.constant([3.0, 4.0])
            initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
            self.table = tf.lookup.StaticHashTable(initializer, 0.0)

        @tf.function(input_signature=[pictures()])
        def __call__(self, images: tf.Tensor) -> tf.Tensor:
            return mean_colours(images) * self.table.lookup(tf.constant(1))

    tf.saved_model.save(WithTable(), str(tmp_path / "module"))
    answers = TensorFlowEngine(tmp_path / "module").run(_PIXELS)
    assert answers.logits is not None
    np.testing.assert_allclose(answers.logits, 4 * _LOGITS, rtol=1e-5)


def test_threads_share_an_engine(tmp_path: Path) -> None:
    engine = TensorFlowEngine(write_tf2(tmp_path / "module", {"default": _classify}))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda count: engine.run(_PIXELS[:count]).logits, range(38)))
    for count, logits in enumerate(found):
        assert logits is not None
        np.testing.assert_allclose(logits, _LOGITS[:count], rtol=1e-5)


def test_the_reference_module_gives_its_golden_values(reference: Path) -> None:
    golden = np.load(reference / "golden.npz")
    answers = TensorFlowEngine(reference / "module").run(golden["pixels"])
    assert answers.logits is not None
    assert answers.features is not None
    assert abs(answers.logits - golden["logits"]).max() <= 2.01 * _LOGIT_STEP
    assert abs(answers.features - golden["features"]).max() <= 0.2
    best = golden["logits"].max(axis=1)
    chosen = np.take_along_axis(golden["logits"], answers.logits.argmax(axis=1)[:, None], 1)[:, 0]
    np.testing.assert_array_equal(chosen, best)
