from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.litert.heads import expose_heads
from imagebeam.modules.open_module import open_module
from tests.modules.flatbuffers import echo

_LOGIT_STEP = 0.1464572
_FEATURE_STEP = 0.02352848


@pytest.fixture(scope="session")
def published(reference: Path) -> bytes:
    return (reference / "mobilenet_v1_0.5_160_quant.tflite").read_bytes()


def test_the_published_flatbuffer_has_all_three_outputs(published: bytes) -> None:
    info = read_interface(published, "it").info
    assert info.heads == {"logits", "scores", "features"}
    assert (info.class_count, info.feature_length) == (1001, 512)


def test_its_logits_and_features_are_the_golden_ones(reference: Path, published: bytes) -> None:
    golden = np.load(reference / "golden.npz")
    outputs = LiteRTEngine(published, "it").run(golden["pixels"])
    assert outputs.logits is not None
    assert outputs.features is not None
    assert abs(outputs.logits - golden["logits"]).max() <= 4.01 * _LOGIT_STEP
    # The features are averages of 25 activations, which differ by some steps.
    assert abs(outputs.features - golden["features"]).max() <= 16 * _FEATURE_STEP
    np.testing.assert_array_equal(outputs.logits.argmax(axis=1), golden["logits"].argmax(axis=1))


def test_its_scores_round_to_those_of_the_file_itself(reference: Path, published: bytes) -> None:
    pixels = np.load(reference / "golden.npz")["pixels"]
    scores = LiteRTEngine(published, "it").run(pixels).scores
    assert scores is not None
    np.testing.assert_allclose(scores, _run_alone(published, pixels), rtol=0, atol=1 / 256)


def _run_alone(content: bytes, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    [entry], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for picture in pixels:
        interpreter.set_tensor(entry["index"], picture[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(output["index"])[0])
    scale, zero_point = output["quantization"]
    scores: npt.NDArray[np.float32] = (np.stack(rows).astype(np.float32) - zero_point) * scale
    return scores


def test_any_number_of_pictures_runs_at_once(reference: Path, published: bytes) -> None:
    assert read_interface(published, "it").batch is None
    pixels = np.load(reference / "golden.npz")["pixels"]
    together = LiteRTEngine(published, "it").run(pixels).logits
    alone = [LiteRTEngine(published, "it").run(pixels[row : row + 1]).logits for row in range(8)]
    assert together is not None
    np.testing.assert_array_equal(
        together, np.concatenate([row for row in alone if row is not None])
    )


def test_class_names_are_kept(reference: Path) -> None:
    module = open_module(str(reference / "mobilenet_v1_0.25_128_quant.tflite"))
    assert module.info.class_names is not None
    assert module.info.class_names[20] == "chickadee"


@pytest.mark.parametrize(
    "content", [echo(), b"", b"TFL3" * 50, bytes(5000)], ids=["echo", "empty", "magic", "zeros"]
)
def test_other_files_are_unchanged(content: bytes) -> None:
    assert expose_heads(content) is None
