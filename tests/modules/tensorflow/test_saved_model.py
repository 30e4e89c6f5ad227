import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.tensorflow.saved_model import SavedModel, load_saved_model
from imagebeam.modules.types import ModuleInfo
from tests.modules.saved_models import (
    CLASSES,
    SIZE,
    mean_colours,
    pictures,
    quantops_network,
    write_tf1,
    write_tf2,
)

_CLASSIFIER = ModuleInfo(
    image_size=(SIZE, SIZE),
    value_range=(0.0, 1.0),
    heads=frozenset({"logits", "scores"}),
    class_count=CLASSES,
)
_PIXELS = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def _classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": mean_colours(images)}


def _scores(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": tf.nn.softmax(mean_colours(images))}


def _features(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": tf.reduce_mean(images, axis=[1, 2]), "MobilenetV1/Conv2d_0": images}


def _expected(pixels: Any, low: float = 0.0, high: float = 1.0) -> Any:
    return mean_colours(tf.constant(low + (high - low) * (pixels / 255.0))).numpy()


def _answers(module: SavedModel, pixels: Any = _PIXELS) -> dict[str, Any]:
    answers = module.heads.infer_pixels(tf.constant(pixels))
    return {kind: rows.numpy() for kind, rows in answers.items()}


def _add_metadata(directory: Path, **values: Any) -> None:
    (directory / "assets.extra").mkdir()
    content = json.dumps({"format": "imagebeam-module/1", **values})
    (directory / "assets.extra" / "module.json").write_text(content)


def test_a_tf1_module_with_both_heads_is_read(tmp_path: Path) -> None:
    signatures = {
        "default": _classify,
        "image_classification": _classify,
        "image_feature_vector": _features,
    }
    module = load_saved_model(write_tf1(tmp_path / "module", signatures))
    assert module.info == ModuleInfo(
        image_size=(SIZE, SIZE),
        value_range=(0.0, 1.0),
        heads=frozenset({"logits", "scores", "features"}),
        class_count=CLASSES,
        feature_length=3,
    )
    answers = _answers(module)
    np.testing.assert_allclose(answers["logits"], _expected(_PIXELS), rtol=1e-5)
    np.testing.assert_allclose(answers["features"], (_PIXELS / 255).mean(axis=(1, 2)), rtol=1e-5)


def test_the_variant_without_tags_is_used(tmp_path: Path) -> None:
    directory = write_tf1(
        tmp_path / "module", {"default": _classify}, tag_sets=(("train",), (), ("other", "train"))
    )
    assert load_saved_model(directory).info == _CLASSIFIER


def test_a_tf1_module_for_any_size_states_the_size(tmp_path: Path) -> None:
    directory = write_tf1(
        tmp_path / "module", {"default": _classify}, size=None, attached_size=(160, 96)
    )
    assert load_saved_model(directory).info.image_size == (160, 96)


@pytest.mark.parametrize("name", ["default", "serving_default", "image_classification"])
def test_a_tf2_module_with_a_signature_is_read(tmp_path: Path, name: str) -> None:
    module = load_saved_model(write_tf2(tmp_path / "module", {name: _classify}))
    assert module.info == _CLASSIFIER
    np.testing.assert_allclose(_answers(module)["logits"], _expected(_PIXELS), rtol=1e-5)


@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [x], lambda x: {"logits": x}], ids=["tensor", "list", "dict"]
)
def test_a_callable_tf2_module_is_read(tmp_path: Path, wrap: Any) -> None:
    directory = write_tf2(tmp_path / "module", {}, call=lambda images: wrap(mean_colours(images)))
    module = load_saved_model(directory)
    assert module.info == _CLASSIFIER
    np.testing.assert_allclose(_answers(module)["logits"], _expected(_PIXELS), rtol=1e-5)


def test_inference_is_called_and_not_training(tmp_path: Path) -> None:
    class Trainable(tf.Module):
        @tf.function
        def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
            return mean_colours(images) + (100.0 if training else 0.0)

    trainable = Trainable()
    for training in (True, False):
        trainable.__call__.get_concrete_function(pictures(), training)
    tf.saved_model.save(trainable, str(tmp_path / "module"))
    module = load_saved_model(tmp_path / "module")
    np.testing.assert_allclose(_answers(module)["logits"], _expected(_PIXELS), rtol=1e-5)


def test_a_softmax_is_recognised_by_its_outputs(tmp_path: Path) -> None:
    module = load_saved_model(write_tf2(tmp_path / "module", {"default": _scores}))
    assert module.info.heads == {"scores"}
    np.testing.assert_allclose(_answers(module)["scores"].sum(axis=1), 1, rtol=1e-6)


def test_raw_pixels_go_into_a_uint8_module(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _classify}, pictures(dtype="uint8"))
    module = load_saved_model(directory)
    assert module.info.value_range == (0.0, 255.0)
    np.testing.assert_allclose(_answers(module)["logits"], _expected(_PIXELS, 0, 255), rtol=1e-5)


def test_the_metadata_states_range_size_and_names(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _classify}, pictures(size=None))
    _add_metadata(
        directory,
        image_size=[24, 32],
        value_range=[-1, 1],
        classes=list("abcde"),
        network={"width": 0.25},
        provenance={"from": "here"},
    )
    module = load_saved_model(directory)
    assert module.info == ModuleInfo(
        image_size=(24, 32),
        value_range=(-1.0, 1.0),
        heads=frozenset({"logits", "scores"}),
        class_count=CLASSES,
        class_names=tuple("abcde"),
        network={"width": 0.25},
        provenance={"from": "here"},
    )
    np.testing.assert_allclose(
        _answers(module)["logits"], _expected(_PIXELS, -1, 1), rtol=1e-4, atol=1e-5
    )


def test_a_vector_can_keep_axes_of_length_one(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": mean_colours(images)[:, tf.newaxis, tf.newaxis]}

    module = load_saved_model(write_tf2(tmp_path / "module", {"default": classify}))
    assert module.info == _CLASSIFIER


def test_a_fixed_batch_length_is_kept(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _classify}, pictures(batch=8))
    module = load_saved_model(directory)
    assert (module.heads.batch, module.info) == (8, _CLASSIFIER)


def test_fake_quantisation_is_found(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": quantops_network(images)["logits"]}

    modules = [
        write_tf1(tmp_path / "tf1", {"default": classify}),
        write_tf2(tmp_path / "tf2", {"default": classify}),
    ]
    assert [load_saved_model(module).info.quantops for module in modules] == [True, True]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (pictures(channels=1), r"float32 \[None, 16, 16, 1\], not one batch of RGB pictures"),
        (pictures(dtype="bool"), "bool"),
        (tf.TensorSpec([None, 48], tf.float32, name="images"), r"'images' float32 \[None, 48\]"),
        (pictures(size=None), r"takes pictures of any size, and states none"),
    ],
)
def test_a_module_that_takes_no_pictures_is_refused(
    tmp_path: Path, spec: tf.TensorSpec, reason: str
) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": tf.reshape(tf.cast(images, tf.float32), [tf.shape(images)[0], -1])}

    directory = write_tf2(tmp_path / "module", {"default": classify}, spec)
    with pytest.raises(ModuleError, match=reason):
        load_saved_model(directory)


def test_a_module_that_gives_no_vector_is_refused(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": lambda images: {"default": images}})
    with pytest.raises(ModuleError, match=r"'default' \[\?, 16, 16, 3\], not one vector"):
        load_saved_model(directory)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda rows: rows[:, :0], r"has the shape \[6, 0\], not one vector"),
        (lambda rows: tf.reshape(rows, [-1, 1]), r"has the shape \[30, 1\], not one vector"),
        (tf.RaggedTensor.from_tensor, "its output is a RaggedTensor, not one vector"),
    ],
    ids=["empty", "other batch", "ragged"],
)
def test_outputs_of_another_form_are_refused(tmp_path: Path, end: Any, reason: str) -> None:
    directory = write_tf2(tmp_path / "module", {}, call=lambda images: end(mean_colours(images)))
    with pytest.raises(ModuleError, match=reason):
        load_saved_model(directory)


def test_outputs_within_outputs_have_the_names_of_both(tmp_path: Path) -> None:
    def call(images: tf.Tensor) -> dict[str, Any]:
        return {"heads": [mean_colours(images), mean_colours(-images)], "size": tf.size(images)}

    directory = write_tf2(tmp_path / "module", {}, call=call)
    with pytest.raises(ModuleError, match=r"'heads/0' \[\?, 5\]; 'heads/1' \[\?, 5\]"):
        load_saved_model(directory)
    module = load_saved_model(directory, ModuleOptions(outputs={"heads/1": "logits"}))
    np.testing.assert_allclose(_answers(module)["logits"], -_expected(_PIXELS), rtol=1e-5)


def test_class_names_are_found_among_the_assets(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _classify})
    (directory / "assets").mkdir(exist_ok=True)
    (directory / "assets" / "labels.txt").write_text("ant\nbee\ncat\ndog\nelk\n")
    assert load_saved_model(directory).info.class_names == ("ant", "bee", "cat", "dog", "elk")
    (directory / "assets" / "labels.txt").write_text("ant\nbee\n")
    info = load_saved_model(directory).info
    assert info.class_names is None
    assert info.contradictions == (
        "the module's labels.txt names 2 classes, but the module has 5, so these names are not "
        "used.",
    )


def test_a_module_that_fails_on_pictures_of_its_size_is_refused(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": tf.reshape(images, [-1, 3 * 16 * 16 + 1])}

    directory = write_tf2(tmp_path / "module", {"default": classify}, pictures(size=None))
    _add_metadata(directory, image_size=[16, 16])
    with pytest.raises(ModuleError, match="fails on pictures of 16x16"):
        load_saved_model(directory)


@pytest.mark.parametrize("damage", ["graph", "variables", "index", "garbage"])
def test_a_damaged_module_is_refused(tmp_path: Path, damage: str) -> None:
    directory = write_tf1(tmp_path / "module", {"default": _classify})
    match damage:
        case "graph":
            content = (directory / "saved_model.pb").read_bytes()
            (directory / "saved_model.pb").write_bytes(content[: len(content) // 2])
        case "variables":
            (directory / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
        case "index":
            shutil.rmtree(directory / "variables")
        case "garbage":
            (directory / "saved_model.pb").write_bytes(b"<html>not found</html>")
    with pytest.raises(ModuleError, match=r"Fetch the module again"):
        load_saved_model(directory)
