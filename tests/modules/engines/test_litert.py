from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from imagebeam.modules.engines import load_engine
from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.open_module import open_module
from tests.modules.flatbuffers import INT8, UINT8, Quantisation, echo

_PIXELS = np.random.default_rng(0).integers(0, 256, (11, 2, 2, 3), dtype=np.uint8)
_ROWS = _PIXELS.reshape(11, 12)


def _engine(**options: Any) -> LiteRTEngine:
    return LiteRTEngine(echo(**options), "it")


@pytest.mark.parametrize("free_batch", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 11])
def test_every_picture_of_any_batch_has_outputs(free_batch: bool, count: int) -> None:
    answers = _engine(free_batch=free_batch).run(_PIXELS[:count])
    assert answers.logits is not None
    np.testing.assert_array_equal(answers.logits, np.float32(_ROWS[:count] / 255))


def test_calls_are_independent() -> None:
    engine = _engine(free_batch=True)
    many, one = engine.run(_PIXELS), engine.run(_PIXELS[:1])
    assert many.logits is not None
    np.testing.assert_array_equal(one.logits, many.logits[:1])


@pytest.mark.parametrize(
    ("dtype", "quantisation"),
    [(UINT8, Quantisation(1 / 128, 128)), (INT8, Quantisation(1 / 128, 0))],
)
def test_outputs_are_dequantised(dtype: int, quantisation: Quantisation) -> None:
    answers = _engine(dtype=dtype, quantisation=quantisation).run(_PIXELS)
    np.testing.assert_array_equal(answers.logits, (_ROWS.astype(np.float32) - 128) / 128)


def test_scores_are_the_softmax_of_logits() -> None:
    answers = _engine().run(_PIXELS)
    assert answers.scores is not None
    exponentials = np.exp(_ROWS / 255)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers.scores, expected, rtol=1e-6)
    assert answers.features is None


@pytest.mark.parametrize("free_batch", [False, True])
def test_the_channels_may_come_first(free_batch: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 2, 4, 3), dtype=np.uint8)
    engine = _engine(input_shape=(1, 3, 2, 4), output_shapes=((1, 24),), free_batch=free_batch)
    assert engine.info.image_size == (2, 4)
    planes = pixels.transpose(0, 3, 1, 2).reshape(5, 24)
    logits = engine.run(pixels).logits
    assert logits is not None
    np.testing.assert_array_equal(logits, np.float32(planes / 255))


def test_percentages_become_scores() -> None:
    engine = _engine(softmax=True, factor=100.0)
    exponentials = np.exp(_ROWS / 255)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    answers = engine.run(_PIXELS)
    assert (*engine.info.heads, engine.info.independent) == ("scores", False)
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores, expected, rtol=1e-5)


def test_percentages_of_sigmoids_become_independent_scores() -> None:
    engine = _engine(softmax=True, sigmoid=True, factor=100.0)
    answers = engine.run(_PIXELS)
    assert (*engine.info.heads, engine.info.independent) == ("scores", True)
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores, 1 / (1 + np.exp(_ROWS / -255)), rtol=1e-5)


def test_sigmoids_times_another_number_are_no_scores() -> None:
    assert "logits" in _engine(softmax=True, sigmoid=True, factor=90.0).info.heads


def test_a_module_that_ends_in_a_softmax_gives_only_scores() -> None:
    answers = _engine(softmax=True).run(_PIXELS)
    scores = _engine().run(_PIXELS).scores
    assert answers.logits is None
    assert answers.scores is not None
    assert scores is not None
    np.testing.assert_allclose(answers.scores, scores, rtol=1e-5)


def test_heads_are_read_from_their_outputs() -> None:
    flatbuffer = echo(output_shapes=((1, 1, 12), (1, 12)), names=("a", "b"))
    outputs = {"logits": 0, "features": 1}
    engine = LiteRTEngine(append_to_flatbuffer(flatbuffer, Metadata(outputs=outputs)), "it")
    answers = engine.run(_PIXELS)
    for head in (answers.logits, answers.features):
        np.testing.assert_array_equal(head, np.float32(_ROWS / 255))


def test_outputs_are_float32() -> None:
    answers = _engine(dtype=UINT8, quantisation=Quantisation(0.1, 3)).run(_PIXELS)
    assert [head.dtype for head in (answers.logits, answers.scores) if head is not None] == [
        np.float32,
        np.float32,
    ]


def test_threads_share_an_engine() -> None:
    engine = _engine(free_batch=True)
    generator = np.random.default_rng(1)
    parts = [
        generator.integers(0, 256, (int(count), 2, 2, 3), dtype=np.uint8)
        for count in generator.integers(1, 40, 200)
    ]

    def logits(part: npt.NDArray[np.uint8]) -> Any:
        return engine.run(part).logits

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(logits, parts))
    for part, rows in zip(parts, found, strict=True):
        np.testing.assert_array_equal(rows, np.float32(part.reshape(-1, 12) / 255))


def test_load_engine_refuses_a_module_that_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "module.tflite"
    path.write_bytes(echo())
    module = open_module(str(path))
    path.write_bytes(echo(softmax=True))
    with pytest.raises(ModuleError, match=r"its heads is .* when the job started"):
        load_engine(module.engine, module.path, module.info)


def test_load_engine_refuses_a_file_that_was_damaged(tmp_path: Path) -> None:
    path = tmp_path / "module.tflite"
    path.write_bytes(echo())
    module = open_module(str(path))
    path.write_bytes(echo()[:100])
    with pytest.raises(ModuleError, match="not a flatbuffer"):
        load_engine(module.engine, module.path, module.info)


def test_the_published_flatbuffer_classifies_the_photos(reference: Path) -> None:
    golden = np.load(reference / "golden.npz")
    module = open_module(str(reference / "mobilenet_v1_0.5_160_quant.tflite"))
    answers = load_engine(module.engine, module.path, module.info).run(golden["pixels"])
    assert answers.scores is not None
    assert module.info.class_names is not None
    named = {
        Path(str(file)).stem: module.info.class_names[row.argmax()]
        for file, row in zip(golden["files"], answers.scores, strict=True)
    }
    assert {stem: name.split(", ")[0] for stem, name in named.items() if stem in _EXPECTED} == (
        _EXPECTED
    )


# The values in the README of the reference data.
_EXPECTED = {
    "bird": "chickadee",
    "cat": "Egyptian cat",
    "cat_720p": "Egyptian cat",
    "hot_dog": "hotdog",
    "parrot": "macaw",
    "sunflower": "daisy",
    "grace_hopper": "academic gown",
}
