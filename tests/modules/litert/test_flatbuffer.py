from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.flatbuffer import Interface, read_flatbuffer, read_interface
from imagebeam.modules.litert.graph import pack
from imagebeam.modules.litert.tensors import Tensor, pixel_writer
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.types import ModuleInfo
from tests.modules.flatbuffers import FLOAT32, INT8, UINT8, Quantisation, echo


def _read(**options: Any) -> Interface:
    return read_interface(echo(**options), "it")


def test_a_float_classifier_is_read() -> None:
    assert _read().info == ModuleInfo(
        image_size=(2, 2),
        value_range=(0.0, 1.0),
        heads=frozenset({"logits", "scores"}),
        class_count=12,
    )


def test_a_float_softmax_is_recognised_by_its_outputs() -> None:
    assert _read(softmax=True).info.heads == {"scores"}


@pytest.mark.parametrize(("dtype", "zero_point"), [(UINT8, 0), (INT8, -128)])
def test_a_quantised_softmax_is_recognised_by_its_quantisation(dtype: int, zero_point: int) -> None:
    info = _read(dtype=dtype, quantisation=Quantisation(1 / 256, zero_point)).info
    assert info.heads == {"scores"}


@pytest.mark.parametrize(("dtype", "zero_point"), [(UINT8, 128), (INT8, 0)])
def test_a_quantised_input_spans_its_quantisation(dtype: int, zero_point: int) -> None:
    info = _read(dtype=dtype, quantisation=Quantisation(1 / 128, zero_point)).info
    assert info.value_range == (-1.0, 127 / 128)
    assert info.quantops
    assert info.heads == {"logits", "scores"}


def test_a_uint8_input_without_quantisation_spans_the_bytes() -> None:
    assert _read(dtype=UINT8).info.value_range == (0.0, 255.0)


def test_the_metadata_states_the_range_of_a_float_input() -> None:
    content = append_to_flatbuffer(echo(), Metadata(value_range=(-2.0, 3.0)))
    assert read_interface(content, "it").info.value_range == (-2.0, 3.0)


@pytest.mark.parametrize(
    ("dtype", "quantisation", "value_range", "expected"),
    [
        (np.uint8, Quantisation(1 / 128, 128), (-1.0, 127 / 128), range(256)),
        (np.int8, Quantisation(1 / 128, 0), (-1.0, 127 / 128), range(-128, 128)),
        (np.uint8, Quantisation(1 / 255, 0), (-1.0, 1.0), [0] * 128 + list(range(1, 256, 2))),
        (np.int16, Quantisation(1.0, 0), (0.0, 255.0), range(256)),
        (np.float32, Quantisation(0, 0), (0.0, 1.0), np.arange(256) / 255),
        (np.float32, Quantisation(0, 0), (0.0, 255.0), range(256)),
        (np.float32, Quantisation(0, 0), (-2.0, 3.0), np.linspace(-2, 3, 256)),
    ],
)
def test_pixels_become_the_input(
    dtype: npt.DTypeLike,
    quantisation: Quantisation,
    value_range: tuple[float, float],
    expected: Any,
) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    pictures: npt.NDArray[Any] = np.full(pixels.shape, 99, dtype)
    picture = Tensor(0, "it", pixels.shape, np.dtype(dtype), *astuple(quantisation))
    pixel_writer(picture, (value_range,), "rgb")(pixels, pictures)
    np.testing.assert_allclose(pictures.ravel(), expected, rtol=0, atol=3e-5)


def test_the_metadata_places_heads_and_names_classes() -> None:
    metadata = Metadata(
        classes=tuple("abcdefghijkl"),
        quantops=True,
        network={"width": 0.5},
        provenance={"from": "here"},
        outputs={"logits": 1, "features": 0},
    )
    flatbuffer = echo(output_shapes=((1, 1, 1, 12), (1, 12)), names=("a", "b"))
    info = read_interface(append_to_flatbuffer(flatbuffer, metadata), "it").info
    assert info == ModuleInfo(
        image_size=(2, 2),
        value_range=(0.0, 1.0),
        heads=frozenset({"logits", "scores", "features"}),
        class_count=12,
        feature_length=12,
        class_names=tuple("abcdefghijkl"),
        quantops=True,
        network={"width": 0.5},
        provenance={"from": "here"},
    )


def test_an_output_can_be_named_features() -> None:
    info = _read(output_shapes=((1, 12), (1, 1, 1, 12)), names=("probs", "embedding")).info
    assert info.heads == {"logits", "scores", "features"}
    assert _read(names=("feature_vector",)).info.heads == {"features"}
    assert _read(names=("feature_vector",)).info.class_count is None


@pytest.mark.parametrize(("free", "batch"), [(True, None), (False, 1)])
def test_the_batch_length_is_read(free: bool, batch: int | None) -> None:
    assert _read(free_batch=free).batch == batch


def test_a_fixed_batch_length_is_probed_as_a_whole() -> None:
    interface = _read(input_shape=(3, 2, 2, 3), output_shapes=((3, 12),), softmax=True)
    assert interface.batch == 3
    assert interface.info.heads == {"scores"}


def test_a_flatbuffer_for_any_size_states_the_size() -> None:
    flatbuffer = echo((1, 2, 2, 3), ((1, 12),), free_size=True, free_batch=True)
    content = append_to_flatbuffer(flatbuffer, Metadata(image_size=(4, 1)))
    assert read_interface(content, "it").info.image_size == (4, 1)
    with pytest.raises(ModuleError, match="takes pictures of any size, and states none"):
        read_interface(flatbuffer, "it")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"input_shape": (1, 12)}, r"its input is 'pictures_0' float32 \[1, 12\], not one batch"),
        ({"input_shape": (1, 4, 3, 1)}, r"float32 \[1, 4, 3, 1\], not one batch of RGB"),
        ({"inputs": 2}, "'pictures_0' .*; 'pictures_1' .*, not one batch"),
        ({"output_shapes": ((1, 2, 6),)}, r"its outputs are 'output' \[\?, 2, 6\], not one vector"),
        ({"output_shapes": ((12,),)}, r"'output' \[12\], not one vector"),
        (
            {"output_shapes": ((1, 12),) * 2, "names": ("boxes", "classes")},
            r"'boxes' \[\?, 12\]; 'classes' \[\?, 12\], and it is unclear which to use",
        ),
    ],
)
def test_a_module_without_image_input_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModuleError, match=f"^it: .*{reason}"):
        _read(**options)


@pytest.mark.parametrize("outputs", [{}, {"logits": 1}, {"logits": -1}])
def test_metadata_that_places_heads_elsewhere_is_refused(outputs: dict[str, int]) -> None:
    content = append_to_flatbuffer(echo(dtype=FLOAT32), Metadata(outputs=outputs))
    with pytest.raises(ModuleError, match="not one vector per image where its metadata"):
        read_interface(content, "it")


@pytest.mark.parametrize(
    "content",
    [b"", b"TFL3", bytes(5000), echo()[:-200], b"\x1c\0\0\0TFL3" + bytes(100), b"<html>" * 99],
    ids=["empty", "magic", "zeros", "truncated", "hollow", "page"],
)
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(ModuleError, match=r"^it: not a flatbuffer that LiteRT can run"):
        read_interface(content, "it")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="No such file"):
        read_flatbuffer(tmp_path / "module.tflite")


def test_a_published_flatbuffer_is_read(reference: Path) -> None:
    content = (reference / "mobilenet_v1_0.5_160_quant.tflite").read_bytes()
    interface = read_interface(content, "it")
    names = (reference / "imagenet_labels.txt").read_text("utf-8").splitlines()
    assert interface.info == ModuleInfo(
        image_size=(160, 160),
        value_range=(-1.0, 127 / 128),
        heads=frozenset({"logits", "scores", "features"}),
        class_count=1001,
        feature_length=512,
        class_names=tuple(names),
        quantops=True,
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.tflite").touch()
    with pytest.raises(ModuleError, match=r"empty\.tflite': an empty file\. Fetch or compile"):
        read_flatbuffer(tmp_path / "empty.tflite")


def test_a_file_for_an_edge_tpu_is_refused_with_the_file_to_give() -> None:
    model = schema.ModelT.InitFromPackedBuf(echo(), 0)
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "edgetpu-custom-op"
    with pytest.raises(ModuleError, match=r"compiled for an Edge TPU.* without `_edgetpu`"):
        read_interface(pack(model), "it")
