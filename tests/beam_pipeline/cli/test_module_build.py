"""Test `module build` and `module train` up to labelling with the new module."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.beam_pipeline.training import building
from imagebeam.mobilenet_v1 import Architecture
from imagebeam.mobilenet_v1.architecture import SIZES, WIDTHS
from imagebeam.mobilenet_v1.layers import Phase, Rates
from imagebeam.mobilenet_v1.network import Network, rescale
from imagebeam.modules.engines import load_engine
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.open_module import open_module
from tests.beam_pipeline.jobs import COMMAND, ROOT, imagebeam, predictions, stop_when
from tests.mobilenet_v1 import shapes

CHECKPOINT = "checkpoint/mobilenet_v1_0.5_160_quant.ckpt"
LOGIT_STEP = 0.146457


def _refusal(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert imagebeam("module", *arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    return captured.err.strip().removeprefix("imagebeam: error: ")


@pytest.mark.slow
def test_the_module_of_a_checkpoint_gives_the_outputs_of_the_original(
    tmp_path: Path, reference: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "module"
    arguments = ("--checkpoint", reference / CHECKPOINT, "--output", output)
    assert imagebeam("module", "build", *arguments) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        f"module   {output}",
        "network  MobileNet V1 0.5/160, 1,001 classes, 1,343,049 parameters, 76,525,312 MACs",
    ]
    golden = np.load(reference / "golden.npz")
    for engine, steps in (("litert", 4), ("tensorflow", 2)):
        module = open_module(str(output), engine=engine)
        answers = load_engine(module.engine, module.path, module.info).run(golden["pixels"])
        assert answers.logits is not None
        assert answers.features is not None
        assert np.abs(answers.logits - golden["logits"]).max() <= (steps + 0.001) * LOGIT_STEP
        assert np.abs(answers.features - golden["features"]).mean() < 2 * 6 / 255
        assert module.info.class_names is not None
        assert module.info.class_names[22] == "kite"


@pytest.mark.slow
def test_input_can_be_quantised_as_in_version_1(tmp_path: Path, reference: Path) -> None:
    output = tmp_path / "module"
    arguments = ("--checkpoint", reference / CHECKPOINT, "--output", output, "--quantise-input")
    assert imagebeam("module", "build", *arguments) == 0
    metadata = json.loads((output / "assets.extra/module.json").read_text(encoding="utf-8"))
    assert metadata["network"]["input_quantised"] is True
    assert open_module(str(output)).engine == "litert"


@pytest.mark.slow
def test_a_name_of_the_catalogue_stands_for_the_checkpoint_that_was_fetched(
    tmp_path: Path,
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    name = "mobilenet_v1_050_160"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IMAGEBEAM_CATALOGUE", "http://127.0.0.1:9")

    def fill(folder: Path) -> None:
        stem = "mobilenet_v1_0.5_160_quant"
        shutil.copy(reference / f"{stem}.tflite", folder)
        for file in (reference / "checkpoint").iterdir():
            shutil.copy(file, folder)

    Cache().entry("catalogue", name, fill)
    output = tmp_path / "module"
    assert imagebeam("module", "build", "--checkpoint", name, "--output", output) == 0
    assert capfd.readouterr().out.splitlines()[1] == (
        "network  MobileNet V1 0.5/160, 1,001 classes, 1,343,049 parameters, 76,525,312 MACs"
    )
    metadata = json.loads((output / "assets.extra/module.json").read_text(encoding="utf-8"))
    assert metadata["provenance"]["checkpoint"] == "mobilenet_v1_0.5_160_quant.ckpt"


def test_a_catalogue_archive_without_checkpoint_is_refused(
    tmp_path: Path,
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    name = "mobilenet_v1_050_160"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    flatbuffer = reference / "mobilenet_v1_0.5_160_quant.tflite"
    Cache().entry("catalogue", name, lambda folder: shutil.copy(flatbuffer, folder))
    assert _refusal(capfd, "build", "--checkpoint", name, "--output", tmp_path / "m") == (
        f"{name!r}: the fetched archive is not the published one, so only its flatbuffer is kept. "
        "Give the path of a checkpoint without .index or .data-…."
    )


def test_a_name_that_is_not_in_the_catalogue_has_its_nearest_ones(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    captured = _refusal(
        capfd, "build", "--checkpoint", "mobilenet_v1_50_160", "--output", tmp_path / "m"
    )
    assert captured.startswith(
        "'mobilenet_v1_50_160': neither a checkpoint nor a name in the catalogue. "
        "Did you mean mobilenet_v1_050_160 or"
    )


def test_checkpoint_of_another_width_is_refused(
    tmp_path: Path, reference: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "module"
    message = _refusal(
        *(capfd, "build", "--checkpoint", reference / CHECKPOINT, "--output", output),
        *("--width", 0.25),
    )
    assert "is (16,), not (8,)" in message
    assert "The weights are of width 0.5 with 1001 classes. Use these values." in message
    assert list(tmp_path.iterdir()) == []


def test_class_names_must_be_as_many_as_classes(
    tmp_path: Path, reference: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n", encoding="utf-8")
    message = _refusal(
        *(capfd, "build", "--checkpoint", reference / CHECKPOINT),
        *("--output", tmp_path / "module", "--classes", names),
    )
    assert "2 class names, but the module has 1001 classes" in message
    assert list(tmp_path.iterdir()) == [names]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "epochs 0: must be at least 1."),
        (["--batch-size", "0"], "batch size 0: must be at least 1."),
        (["--width", "0"], "width 0.0: must be above 0 and at most 1."),
        (["--size", "100"], "size 100: must be a multiple of 32 from 32 to 224."),
        (["--held-out", "1"], "held-out part 1.0: must lie between 0 and 1."),
        (["--learning-rate", "0"], "learning rate 0.0: must be above 0."),
        (["--quantise-from", "0.9"], "quantisation from 0.9 and freezing from 0.8 of the run"),
        (["--freeze-from", "2"], "quantisation from 0.6 and freezing from 2.0 of the run"),
        (["--from", "nowhere"], "'nowhere'"),
    ],
)
def test_invalid_training_options_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    shapes.write_folders(tmp_path / "images", 2)
    images, output = tmp_path / "images", tmp_path / "module"
    assert message in _refusal(capfd, "train", images, "--output", output, *options)
    assert list(tmp_path.iterdir()) == [images]


def test_training_does_not_replace_a_module(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = _refusal(capfd, "train", tmp_path / "images", "--output", tmp_path)
    assert message == f"{tmp_path}: exists already. Remove it or name another output."


@pytest.mark.slow
def test_killed_training_resumes_and_its_module_labels(tmp_path: Path) -> None:
    images, output, state = (tmp_path / name for name in ("images", "module", "module.training"))
    shapes.write_folders(images, 100)
    (images / "disc" / "broken.png").write_bytes(b"no picture")
    command = (
        *("module", "train", images, "--output", output, "--width", 0.25, "--size", 32),
        *("--epochs", 16, "--batch-size", 16),
    )

    def has_checkpoint() -> bool:
        return (state / "checkpoints" / "checkpoint").exists()

    code, _ = stop_when(has_checkpoint, signal.SIGKILL, *command)
    assert code == -signal.SIGKILL
    assert not output.exists()

    finished = subprocess.run(
        [*COMMAND, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stderr.splitlines()
    assert re.fullmatch(r"imagebeam: training \(\w+\) 240 steps", lines[0])
    assert lines[-1].startswith("imagebeam: training (frozen): 240/240 steps, loss ")
    assert "1 pictures skipped:" in finished.stdout
    assert f"{images}/disc/broken.png: unsupported_format" in finished.stdout

    metadata = json.loads((output / "assets.extra/module.json").read_text(encoding="utf-8"))
    assert metadata["classes"] == ["bars", "disc", "rings"]
    # Chance is a third.
    assert metadata["provenance"]["accuracy_float"] > 0.75
    assert metadata["provenance"]["accuracy_quantised"] > 0.75

    shapes.write_folders(tmp_path / "archive", 20, seed=7)
    labels = ("label", tmp_path / "archive", "--output", tmp_path / "labels", "--module", output)
    assert imagebeam(*labels) == 0
    rows = predictions(tmp_path / "labels")
    right = [row["label"] == Path(row["uri"]).parent.name for row in rows]
    assert len(right) == 60
    assert sum(right) > 45


@pytest.mark.slow
def test_a_network_of_int8_is_trained_and_stays_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images, output = tmp_path / "images", tmp_path / "module"
    shapes.write_folders(images, 30)
    train = ("module", "train", images, "--epochs", 1, "--batch-size", 16, "--output")
    small = (*train, output, "--width", 0.25, "--size", 32)
    assert imagebeam(*small, "--quantization", "int8") == 0
    assert re.search(r"^int8 +\d+ of 18 ", capfd.readouterr().out, re.MULTILINE)
    # Fine-tuning keeps the integers of the module, unless others are stated.
    assert imagebeam(*train, tmp_path / "tuned", "--from", output) == 0
    assert re.search(r"^int8 +\d+ of 18 ", capfd.readouterr().out, re.MULTILINE)
    shutil.rmtree(output)
    assert imagebeam(*small, "--quantization", "uint8") == 2
    assert "quantization was int8 and is uint8" in capfd.readouterr().err


@pytest.mark.slow
def test_a_module_of_int8_is_shown_compiled_annotated_and_gets_a_new_head(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output, compiled, annotated, head = (
        tmp_path / name for name in ("module", "compiled.tflite", "annotated.tflite", "head.tflite")
    )
    network = Network(Architecture(0.25, 32, 3), seed=1, quantization="int8")
    pictures = shapes.drawn(12, seed=0, side=32)
    _train_one_step_of_each_phase(network, pictures.pixels)
    building.export(network, output, shapes.CLASSES, {})
    assert imagebeam("module", "show", output) == 0
    shown = capfd.readouterr().out
    assert "quantization int8" in shown
    assert "  input     int8 [?, 32, 32, 3], scale 0.0078125, zero point 0" in shown

    assert imagebeam("module", "compile", output, "--output", compiled) == 0
    names = tmp_path / "names.txt"
    names.write_text("Bars\nDisc\nRings\n")
    annotate = ("module", "annotate", compiled, "--output", annotated)
    assert imagebeam(*annotate, "--classes", names) == 0
    shapes.write_folders(tmp_path / "images", 4)
    train = ("module", "train", tmp_path / "images", "--output", head)
    assert imagebeam(*train, "--from", annotated, "--freeze-network") == 0
    answers = []
    for path in (output, compiled, annotated, head):
        module = open_module(str(path))
        assert (module.info.takes_bytes, module.info.quantops) == (True, True)
        engine = load_engine(module.engine, module.path, module.info)
        answers.append(engine.run(pictures.pixels))
    for each in answers[1:]:
        np.testing.assert_array_equal(each.features, answers[0].features)
    for each in answers[1:3]:
        np.testing.assert_array_equal(each.logits, answers[0].logits)
    assert open_module(str(annotated)).info.class_names == ("Bars", "Disc", "Rings")


def _train_one_step_of_each_phase(network: Network, pixels: np.ndarray) -> None:
    """Set statistics and ranges."""
    now = Rates(statistics=tf.constant(1.0), ranges=tf.constant(1.0))
    for phase in Phase:
        network.train(rescale(pixels), phase, now)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "size"), [*zip(WIDTHS, SIZES, strict=True)])
def test_every_width_and_size_is_built_exported_compiled_and_run(
    tmp_path: Path, width: float, size: int
) -> None:
    architecture = Architecture(width, size, class_count=10)
    network = Network(architecture, seed=1)
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    _train_one_step_of_each_phase(network, pixels)
    output = tmp_path / "module"
    building.export(network, output, [f"class {index}" for index in range(10)], {})

    loaded = tf.saved_model.load(str(output))
    ranges = 2 * 2 * len(architecture.layers)
    assert sum(variable.shape.num_elements() for variable in loaded.variables) == (
        architecture.parameters + ranges
    )
    assert loaded(pixels / np.float32(255)).shape == (2, 10)
    module = open_module(str(output))
    assert module.engine == "litert"
    assert module.info.image_size == (size, size)
    assert module.info.quantops
    answers = load_engine(module.engine, module.path, module.info).run(pixels)
    assert answers.logits is not None
    assert answers.features is not None
    assert answers.logits.shape == (2, 10)
    assert answers.features.shape == (2, architecture.feature_length)
    assert np.ptp(answers.logits) > 0
