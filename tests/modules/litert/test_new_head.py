from pathlib import Path

import numpy as np
import pytest

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.inspection import count_costs
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.litert.new_head import with_new_head
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer, read_from_flatbuffer
from imagebeam.modules.probes import probe_pictures
from imagebeam.samples import MODULE
from tests.modules.flatbuffers import echo

_CLASSES = ("a", "b")


@pytest.mark.parametrize("batch", [1, 3])
def test_the_logits_are_a_linear_function_of_the_features(batch: int) -> None:
    metadata = Metadata(value_range=(0.0, 1.0), outputs={"features": 0})
    content = append_to_flatbuffer(echo((batch, 1, 2, 3), ((batch, 6),)), metadata)
    weights = np.array([[1, 0, 0, 0, 0, 2], [0, 1, 0, -1, 0, 0]], np.float32)
    bias = np.array([0.5, -0.5], np.float32)
    changed = with_new_head(
        read_interface(content, "it"), weights, bias, _CLASSES, {"from": "here"}
    )
    pixels = np.arange(4 * 6, dtype=np.uint8).reshape(4, 1, 2, 3) * 10
    found = LiteRTEngine(changed, "it").run(pixels)
    features = pixels.reshape(4, 6) / np.float32(255)
    assert found.logits is not None
    np.testing.assert_allclose(found.logits, features @ weights.T + bias, atol=1e-6)
    assert read_from_flatbuffer(changed, "it").outputs == {"logits": 0, "features": 1}
    info = read_interface(changed, "it").info
    assert (info.class_names, info.provenance) == (_CLASSES, {"from": "here"})


def test_a_network_of_integers_stays_one_and_loses_its_old_head() -> None:
    content = Path(MODULE, "assets.extra/module.tflite").read_bytes()
    interface = read_interface(content, "it")
    length = interface.info.feature_length
    assert length is not None
    weights = np.random.default_rng(0).normal(size=(2, length)).astype(np.float32)
    bias = np.zeros(2, np.float32)
    changed = with_new_head(interface, weights, bias, _CLASSES, {"from": "here"})
    pixels = probe_pictures(interface.info.image_size, 5)
    before, after = (LiteRTEngine(each, "it").run(pixels) for each in (content, changed))
    assert before.features is not None
    assert after.features is not None
    assert after.logits is not None
    np.testing.assert_array_equal(after.features, before.features)
    np.testing.assert_allclose(after.logits, before.features @ weights.T, atol=1e-4)
    assert read_interface(changed, "it").info.quantops
    operations = count_costs(changed).operations
    assert operations["CONV_2D"] == count_costs(content).operations["CONV_2D"] - 1
    assert operations["FULLY_CONNECTED"] == 1
    # The old head had a byte for each class and feature, the new one four.
    assert len(changed) < len(content) - 24 * length + 4 * 2 * length + 2_000
