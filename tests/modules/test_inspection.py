from pathlib import Path

import pytest

from imagebeam.modules.inspection import ModelSize, count_costs
from tests.modules.flatbuffers import echo

_OPERATIONS = {
    "CONV_2D": 15,
    "DEPTHWISE_CONV_2D": 13,
    "AVERAGE_POOL_2D": 1,
    "RESHAPE": 1,
    "SOFTMAX": 1,
}


# Published: 1.327 M parameters with folded batch norm and 77 million MACs for 0.5/160. The others
# follow from the layer table of slim's mobilenet_v1.
@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [("0.5_160", 1_326_633, 76_525_312), ("0.25_128", 467_593, 13_570_304)],
)
def test_the_published_flatbuffers_are_inspected(
    reference: Path, name: str, parameters: int, macs: int
) -> None:
    content = (reference / f"mobilenet_v1_{name}_quant.tflite").read_bytes()
    assert count_costs(content) == ModelSize(
        _OPERATIONS, parameters, macs, {"uint8": 60, "int32": 29}
    )


def test_a_flatbuffer_without_weights_is_inspected() -> None:
    assert count_costs(echo(softmax=True)) == ModelSize(
        {"RESHAPE": 1, "SOFTMAX": 1}, 0, 0, {"float32": 3, "int32": 1}
    )
