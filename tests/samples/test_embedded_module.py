"""Test that the embedded module has its stated accuracy, without TensorFlow."""

import csv
import json
from importlib.util import find_spec
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.sample_data.drawings import CLASSES, draw_batch
from imagebeam.images.decode import decode
from imagebeam.modules.engines import load_engine
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import Module
from imagebeam.samples import MODULE, TRUTH

_FRESH = 480
_SEED = 12_345  # neither the training's nor that of the stated accuracy
_SURE = 3.09  # standard deviations: a sound module falls below once in a thousand seeds


@pytest.fixture(scope="module")
def module() -> Module:
    return open_module(str(MODULE))


def test_it_runs_without_tensorflow_and_names_the_drawn_classes(module: Module) -> None:
    assert module.engine == "litert"
    assert module.info.class_names == CLASSES
    assert module.info.image_size == (128, 128)
    assert module.info.quantops
    assert module.info.heads >= {"logits", "features"}


def test_its_metadata_states_the_accuracy_of_all_three_forms() -> None:
    metadata = json.loads((MODULE / "assets.extra" / "module.json").read_text(encoding="utf-8"))
    stated = metadata["provenance"]

    assert metadata["network"]["width"] == 0.25
    for form in ("float", "fake_quant", "uint8"):
        assert 0.93 <= stated[f"accuracy_{form}"] <= 1
    assert stated["accuracy_pictures"] >= 4_800
    assert stated["seed"] != stated["accuracy_seed"]


def test_its_metadata_names_the_command_that_makes_it_again(module: Module) -> None:
    stated = json.loads((MODULE / "assets.extra" / "module.json").read_text(encoding="utf-8"))
    for provenance in (stated["provenance"], module.info.provenance):
        command = provenance["made_by"].removeprefix("python -m ")
        assert find_spec(f"{command}.__main__") is not None


def test_it_is_as_accurate_on_fresh_drawings_as_its_metadata_states(module: Module) -> None:
    pixels, labels = draw_batch(np.random.default_rng(_SEED), _FRESH, 128)

    accuracy = float(np.mean(_answers(module, pixels) == labels))

    stated = float(module.info.provenance["accuracy_uint8"])
    assert accuracy >= _lowest(stated, _FRESH, module.info.provenance["accuracy_pictures"])


def test_it_names_the_pictures_of_the_archive(module: Module) -> None:
    with TRUTH.open(encoding="utf-8", newline="") as file:
        truth = [row for row in csv.DictReader(file) if "!/" not in row["uri"]]
    pixels = np.stack([_decoded(TRUTH.parent / row["uri"]) for row in truth])

    named = [CLASSES[index] for index in _answers(module, pixels)]

    right = sum(name == row["label"] for name, row in zip(named, truth, strict=True))
    assert right / len(truth) >= 0.9


def _answers(module: Module, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    logits = load_engine(module.engine, module.path, module.info).run(pixels).logits
    assert logits is not None
    answers: NDArray[np.int64] = logits.argmax(axis=1)
    return answers


def _decoded(path: Path) -> NDArray[np.uint8]:
    return decode(path.read_bytes(), (128, 128)).pixels


def _lowest(stated: float, count: int, stated_count: int) -> float:
    """Return the smallest plausible share of `count` if `stated` was measured on other pictures."""
    return stated - _SURE * sqrt(stated * (1 - stated) * (1 / count + 1 / stated_count))
