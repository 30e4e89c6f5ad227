from collections.abc import Mapping
from typing import Any

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.signatures import Signature, Spec, check_picture_input, choose_heads

_PICTURES = Spec((None, 32, 32, 3), "float32")
_VECTOR = Spec((None, 10), "float32")


def _identity(tensor: Any) -> Mapping[str, Any]:
    return {"default": tensor}


def _signatures(outputs: Mapping[str, tuple[str, ...]], **inputs: Spec) -> dict[str, Signature]:
    return {
        name: Signature(
            name, inputs or {"images": _PICTURES}, dict.fromkeys(given, _VECTOR), _identity
        )
        for name, given in outputs.items()
    }


def _chosen(**outputs: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    heads = choose_heads(_signatures(outputs), "it")
    return {kind: (head.signature.name, head.output) for kind, head in heads.items()}


def test_hub_signatures_come_first() -> None:
    assert _chosen(
        default=("default",),
        serving_default=("default",),
        image_classification=("MobilenetV1/Logits", "default"),
        image_feature_vector=("MobilenetV1/Logits", "default"),
    ) == {
        "logits": ("image_classification", "default"),
        "features": ("image_feature_vector", "default"),
    }


def test_a_feature_module_has_no_classes() -> None:
    assert _chosen(default=("default",), image_feature_vector=("default",)) == {
        "features": ("image_feature_vector", "default")
    }


@pytest.mark.parametrize("name", ["default", "serving_default", "__call__"])
def test_a_general_signature_classifies(name: str) -> None:
    assert _chosen(other=("x",), **{name: ("dense_3",)}) == {"logits": (name, "dense_3")}


def test_features_are_recognised_by_output_names() -> None:
    assert _chosen(serving_default=("Feature_Vector",)) == {
        "features": ("serving_default", "Feature_Vector")
    }
    assert _chosen(serving_default=("probabilities", "embedding")) == {
        "logits": ("serving_default", "probabilities"),
        "features": ("serving_default", "embedding"),
    }


@pytest.mark.parametrize(
    ("outputs", "chosen"),
    [
        (("logits", "probabilities"), "logits"),
        (("classes", "scores", "logits"), "logits"),
    ],
)
def test_one_output_in_several_forms_is_read_once(outputs: tuple[str, ...], chosen: str) -> None:
    assert _chosen(serving_default=outputs) == {"logits": ("serving_default", chosen)}


def _choose_among(**outputs: Spec) -> dict[str, str]:
    signature = Signature("default", {"images": _PICTURES}, outputs, _identity)
    heads = choose_heads({"default": signature}, "it")
    return {kind: head.output for kind, head in heads.items()}


def test_the_number_of_the_best_class_is_left_out() -> None:
    found = _choose_among(class_ids=Spec((None,), "int64"), probabilities=_VECTOR)
    assert found == {"logits": "probabilities"}


@pytest.mark.parametrize(
    ("classes", "values"),
    [
        (("indices", Spec((None, 5), "int32")), ("scores", Spec((None, 5), "float32"))),
        (
            ("detection_classes", Spec((None, 100), "float32")),
            ("detection_scores", Spec((None, 100), "float32")),
        ),
        (("label", Spec((None, 1), "string")), ("probability", Spec((None, 1), "float32"))),
    ],
)
def test_scores_of_classes_that_differ_between_images_are_refused(
    classes: tuple[str, Spec], values: tuple[str, Spec]
) -> None:
    name = values[0]
    with pytest.raises(ModuleError, match=rf"If this one has that, give .* {name}=scores\."):
        _choose_among(**dict((classes, values)))


def test_pooling_layers_give_features() -> None:
    assert _chosen(serving_default=("global_average_pooling2d",)) == {
        "features": ("serving_default", "global_average_pooling2d")
    }


def test_unknown_signatures_are_refused_by_name() -> None:
    with pytest.raises(ModuleError, match=r"its signatures are \['detect', 'train'\], none of"):
        _chosen(train=("x",), detect=("y",))


def test_no_signature_is_refused() -> None:
    with pytest.raises(ModuleError, match="its signatures are missing"):
        _chosen()


@pytest.mark.parametrize("name", ["serving_default", "image_classification"])
def test_ambiguous_outputs_are_refused(name: str) -> None:
    with pytest.raises(ModuleError, match=rf"'{name}': its outputs are 'boxes' .*; 'classes' "):
        _chosen(**{name: ("boxes", "classes")})


@pytest.mark.parametrize(
    "spec",
    [
        _PICTURES,
        Spec((None, None, None, 3), "float32"),
        Spec((8, 32, 32, None), "float32"),
        Spec((None, 32, 32, 3), "uint8"),
        Spec((None, 32, 32, 3), "int32"),
        Spec((None, 3, 32, 32), "float16"),
    ],
)
def test_pictures_are_accepted(spec: Spec) -> None:
    heads = choose_heads(_signatures({"default": ("default",)}, images=spec), "it")
    assert check_picture_input(heads, "it") == spec


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, "takes nothing"),
        ({"x": Spec((None, 32, 32, 1), "float32")}, r"'x' float32 \[None, 32, 32, 1\]"),
        ({"x": Spec((None, 32, 32), "float32")}, r"'x' float32 \[None, 32, 32\]"),
        ({"x": Spec(None, "float32")}, "'x' float32 of unknown rank"),
        ({"x": Spec((None,), "string")}, r"'x' string \[None\]"),
        ({"x": Spec((None, 32, 32, 3), "int16")}, "'x' int16"),
        ({"x": _PICTURES, "training": Spec((), "bool")}, r"; 'training' bool \[\]"),
    ],
)
def test_other_inputs_are_refused(inputs: dict[str, Spec], found: str) -> None:
    signature = Signature("default", inputs, {"default": _VECTOR}, _identity)
    heads = choose_heads({"default": signature}, "it")
    with pytest.raises(ModuleError, match=f"{found}.*Give an image module"):
        check_picture_input(heads, "it")


def test_heads_must_share_their_input() -> None:
    signatures = _signatures({"image_classification": ("default",)}) | _signatures(
        {"image_feature_vector": ("default",)}, images=Spec((None, 64, 64, 3), "float32")
    )
    with pytest.raises(ModuleError, match="pictures of different kinds"):
        check_picture_input(choose_heads(signatures, "it"), "it")
