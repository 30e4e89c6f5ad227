"""Test that `module compile` writes into its file what the options state."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from imagebeam.modules.engines import load_engine
from imagebeam.modules.open_module import open_module
from tests.beam_pipeline.jobs import imagebeam
from tests.modules.saved_models import mean_colours, pictures, write_tf2

_MIXING = np.array([[1.0, 0, 0, 1, 2], [0, 1, 0, 1, -2], [0, 0, 1, 1, 3]])
_PIXELS = np.random.default_rng(0).integers(0, 256, (3, 20, 12, 3), np.uint8)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a module of any input size with two signatures, one of which has two outputs."""

    def mine(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sums": mean_colours(images), "pooled": tf.reduce_mean(images, axis=[1, 2])}

    signatures = {"mine": mine, "serving_default": lambda images: {"x": mean_colours(2 * images)}}
    return write_tf2(tmp_path_factory.mktemp("compiled") / "module", signatures, pictures(None))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "channels", "ranges", "inputs"),
    [
        (
            ("--channels", "bgr", "--mean", "10,20,30", "--std", "2"),
            "bgr",
            ((-5.0, 122.5), (-10.0, 117.5), (-15.0, 112.5)),
            (_PIXELS[..., ::-1] - np.array([10.0, 20, 30])) / 2,
        ),
        (("--input-range", "-1", "1"), "rgb", ((-1.0, 1.0),), _PIXELS / 127.5 - 1),
    ],
)
def test_the_file_needs_no_options_any_more(
    module: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    channels: str,
    ranges: tuple[tuple[float, float], ...],
    inputs: npt.NDArray[np.float64],
) -> None:
    output = tmp_path / "module.tflite"
    stated = ("--image-size", "20x12", "--signature", "mine", "--module-output", "sums=logits")
    assert imagebeam("module", "compile", module, "--output", output, *stated, *words) == 0
    compiled = open_module(str(output))
    assert (compiled.engine, compiled.notes) == ("litert", ())
    info = compiled.info
    assert (info.image_size, info.channels, info.range_origin) == ((20, 12), channels, "stated")
    assert info.input_ranges == ranges
    assert info.heads == {"logits", "scores", "features"}
    outputs = load_engine(compiled.engine, compiled.path, info).run(_PIXELS)
    assert outputs.logits is not None
    features = inputs.mean(axis=(1, 2))
    np.testing.assert_allclose(outputs.logits, features @ _MIXING, rtol=1e-4)
    assert outputs.features is not None
    np.testing.assert_allclose(outputs.features, features, rtol=1e-4)


def test_contradicting_options_are_refused(
    module: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "module.tflite"
    words = ("--input-range", "0", "1", "--mean", "1", "--std", "1")
    assert imagebeam("module", "compile", module, "--output", output, *words) == 2
    assert capfd.readouterr().err == (
        "imagebeam: error: --input-range and --mean or --std: give one of the two.\n"
    )
    assert not output.exists()
