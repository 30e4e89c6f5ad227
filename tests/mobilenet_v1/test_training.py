"""Test training: its schedule, its reports, its resumption, and that it learns."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1 import Architecture, NetworkError
from imagebeam.mobilenet_v1.checkpoint import read_module
from imagebeam.mobilenet_v1.evaluation import evaluate
from imagebeam.mobilenet_v1.export import export_module
from imagebeam.mobilenet_v1.folder_training import TrainingPlan, train_from_folder
from imagebeam.mobilenet_v1.layers import Phase
from imagebeam.mobilenet_v1.network import Network, rescale
from imagebeam.mobilenet_v1.quantops import Quantization
from imagebeam.mobilenet_v1.training import TrainingProgress, train
from imagebeam.mobilenet_v1.training_options import EarlyStopping, TrainingOptions
from imagebeam.training.class_folders import read_folder
from tests.mobilenet_v1 import shapes

SMALL = Architecture(0.25, 32, 3)


def test_phases_follow_each_other() -> None:
    options = TrainingOptions(10, quantise_from=0.5, freeze_from=0.8)
    assert [options.phase(step) for step in range(10)] == (
        [Phase.FLOAT] * 5 + [Phase.QUANTISED] * 3 + [Phase.FROZEN] * 2
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "0 training steps"),
        ({"learning_rate": 0.0}, "learning rate 0.0: must be above 0"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"label_smoothing": 1.0}, "label smoothing 1.0: must be from 0 to below 1"),
        ({"quantise_from": 0.9, "freeze_from": 0.8}, "must rise from 0 to 1"),
        ({"quantise_from": 1.0, "freeze_from": 1.0}, "quantisation must begin before the end"),
    ],
)
def test_invalid_options_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        TrainingOptions(**{"steps": 10, **values})


@pytest.mark.parametrize("quantization", ["uint8", "int8"])
def test_short_run_changes_weights_and_ranges_and_resumes_from_its_checkpoint(
    tmp_path: Path, quantization: Quantization
) -> None:
    pictures = shapes.drawn(24, seed=0)
    options = TrainingOptions(6, quantise_from=0, freeze_from=1)
    network = Network(SMALL, quantization=quantization)
    before = [variable.numpy() for variable in network.trainable_variables]
    reports: list[TrainingProgress] = []
    train(network, pictures.batches(8, 0), options, state=tmp_path, report=reports.append)
    assert all(
        np.abs(variable - old).max() > 0
        for variable, old in zip(network.trainable_variables, before, strict=True)
    )
    assert float(network.logits.activation_range.min) < 0
    assert np.abs(network.logits.weight_range.max).max() < 1
    assert [(report.step, report.steps, report.phase) for report in reports] == [
        (6, 6, Phase.QUANTISED)
    ]
    assert reports[0].seconds_left == 0

    resumed = Network(SMALL, seed=9, quantization=quantization)
    train(resumed, _none, options, state=tmp_path, report=reports.append)
    assert len(reports) == 1
    for variable, original in zip(resumed.variables, network.variables, strict=True):
        np.testing.assert_array_equal(variable, original, err_msg=variable.name)


def _none(steps_done: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    assert steps_done == 6
    return iter(())


def _endless(steps_done: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    pictures = shapes.drawn(8, seed=steps_done)
    while True:
        yield pictures.pixels, pictures.classes


def _repeated(
    pixels: np.ndarray, classes: np.ndarray, steps_done: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return repeat((pixels, classes))


def test_the_float_phase_ends_early_and_stays_ended_after_a_restart(tmp_path: Path) -> None:
    """Let the accuracy rise once; the phases keep their shares of the shorter run."""
    measured = iter([0.5, 0.75, 0.75, 0.5])
    stopping = EarlyStopping(lambda: next(measured), every=2, patience=2)
    options = TrainingOptions(100, quantise_from=0.5, freeze_from=0.75)
    reports: list[TrainingProgress] = []
    train(
        Network(SMALL), _endless, options, state=tmp_path, stopping=stopping, report=reports.append
    )
    # The best accuracy is that after step 4, so the float phase ends after step 8 of then 16.
    assert [(report.step, report.steps, report.phase) for report in reports] == [
        (10, 16, Phase.QUANTISED),
        (16, 16, Phase.FROZEN),
    ]
    train(Network(SMALL), _endless, options, state=tmp_path, report=reports.append)
    assert len(reports) == 2


def test_a_class_without_weight_teaches_nothing() -> None:
    pictures = shapes.drawn(16, seed=0)
    networks = [Network(SMALL) for _ in range(2)]
    options = TrainingOptions(2, quantise_from=0.5, class_weights=(0.0, 0.0, 0.0))
    for network, classes in zip(networks, (pictures.classes, pictures.classes % 2), strict=True):
        batches = partial(_repeated, pictures.pixels, classes)
        train(network, batches, options)
    for one, other in zip(networks[0].variables, networks[1].variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_that_end_early_are_reported() -> None:
    with pytest.raises(NetworkError, match="the batches ended after 0 of 3 steps"):
        train(Network(SMALL), lambda _: [], TrainingOptions(3))


def test_evaluation_counts_correct_classes_of_both_forms() -> None:
    pictures = shapes.drawn(30, seed=0, side=32)
    network = Network(SMALL)
    right = [
        (
            network.infer(rescale(pictures.pixels), quantised=quantised)["Logits"].numpy().argmax(1)
            == pictures.classes
        ).sum()
        for quantised in (False, True)
    ]
    accuracy = evaluate(network, pictures.in_order(7))
    assert accuracy.count == 30
    assert [accuracy.float_right, accuracy.quantised_right] == right


@dataclass(frozen=True)
class _Trained:
    network: Network
    reports: list[TrainingProgress]
    state: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> _Trained:
    """Return a network that learnt to distinguish three shapes."""
    state = tmp_path_factory.mktemp("run")
    network, reports = Network(SMALL), list[TrainingProgress]()
    pictures = shapes.drawn(600, seed=0)
    train(
        network, pictures.batches(32, 0), TrainingOptions(150), state=state, report=reports.append
    )
    return _Trained(network, reports, state)


@pytest.mark.slow
def test_training_improves_both_forms(trained: _Trained) -> None:
    accuracy = evaluate(trained.network, shapes.drawn(150, seed=1, side=32).in_order(50))
    # Chance is 50 of 150.
    assert accuracy.float_right > 120
    assert accuracy.quantised_right > 120


@pytest.mark.slow
def test_reports_contain_the_course_of_training(trained: _Trained) -> None:
    assert [report.step for report in trained.reports] == list(range(10, 151, 10))
    first, *_, last = trained.reports
    assert last.loss < first.loss
    assert last.accuracy > first.accuracy


@pytest.mark.slow
def test_summaries_hold_what_was_reported(trained: _Trained) -> None:
    (file,) = (trained.state / "summaries").iterdir()
    written = [
        (value.tag, event.step, float(tf.make_ndarray(value.tensor)))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    expected = [
        (name, report.step, getattr(report, name))
        for report in trained.reports
        for name in ("loss", "accuracy")
    ]
    assert [each[:2] for each in written] == [each[:2] for each in expected]
    np.testing.assert_allclose([each[2] for each in written], [each[2] for each in expected])


@pytest.mark.slow
def test_transfer_trains_other_classes(trained: _Trained, tmp_path: Path) -> None:
    """Two of the three classes, from a module, in a few steps at a tenth of the rate."""
    export_module(trained.network, tmp_path / "module", classes=shapes.CLASSES)
    shapes.write_folders(tmp_path / "images", 40, seed=2)
    for picture in (tmp_path / "images/disc").iterdir():
        picture.unlink()
    (tmp_path / "images/disc").rmdir()
    plan = TrainingPlan(0.25, 32, epochs=5, batch_size=16, held_out=0.5, learning_rate=0.001)
    weights = read_module(tmp_path / "module")
    classifier = train_from_folder(
        read_folder(tmp_path / "images"), plan, shapes.decode, tmp_path / "run", weights=weights
    )
    assert classifier.classes == ("bars", "rings")
    assert (len(classifier.learnt), classifier.accuracy.count) == (40, 40)
    assert classifier.skipped == ()
    # Chance is 20 of 40.
    assert classifier.accuracy.float_right > 34
    assert classifier.accuracy.quantised_right > 34
    settings = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))
    assert settings["classes"] == ["bars", "rings"]
