"""Test what an input of bytes says of the pictures that it expects."""

import numpy as np
import pytest

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.input_ranges import text_of
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.notes import notes_of
from tests.modules.flatbuffers import INT8, UINT8, Quantisation, echo

_TORCH = "-2.118 to 2.249; -2.036 to 2.429; -1.804 to 2.64"


def _spanning(low: float, high: float, dtype: int = UINT8) -> bytes:
    """Return a flatbuffer whose integers stand for values from `low` to `high`."""
    scale = (high - low) / 255
    lowest = -128 if dtype == INT8 else 0
    quantisation = Quantisation(scale, lowest + round(-low / scale))
    return echo(dtype=dtype, quantisation=quantisation)


@pytest.mark.parametrize("dtype", [UINT8, INT8])
@pytest.mark.parametrize(
    ("limits", "expected", "origin"),
    [
        ((0, 255), "0 to 255", "stated"),
        ((0, 1), "0 to 1", "stated"),
        ((-1, 1), "-1.004 to 0.9961", "stated"),
        ((-0.985, 1.01), "-1 to 1", "found in the graph"),
        ((-2.118, 2.64), _TORCH, "found in the graph"),
        ((-0.93, 1.04), "-1 to 1", "assumed"),
        ((0, 236), "0 to 255", "assumed"),
        ((-0.5, 0.5), "-0.502 to 0.498", "assumed"),
    ],
)
def test_only_a_usual_quantisation_states_the_range(
    dtype: int, limits: tuple[float, float], expected: str, origin: str
) -> None:
    info = read_interface(_spanning(*limits, dtype), "it").info
    assert (text_of(info.input_ranges), info.range_origin) == (expected, origin)
    assert any("is assumed" in note for note in notes_of(info)) == (origin == "assumed")


def test_metadata_and_options_state_the_range_of_an_unusual_quantisation() -> None:
    content = _spanning(-0.93, 1.04)
    stated = append_to_flatbuffer(content, Metadata(value_range=(-1.0, 1.0)))
    info = read_interface(stated, "it").info
    assert (info.value_range, info.range_origin) == ((-1.0, 1.0), "stated")
    info = read_interface(content, "it", ModuleOptions(value_range=(-0.9, 1.0))).info
    assert (info.value_range, info.range_origin) == ((-0.9, 1.0), "given as an option")
    assert info.contradictions == ()


def test_the_range_before_a_rescaling_that_was_cut_off_does_not_count() -> None:
    compiled = append_to_flatbuffer(_spanning(-0.5, 0.5), Metadata(value_range=(0.0, 1.0)))
    info = read_interface(compiled, "it").info
    assert (text_of(info.input_ranges), info.range_origin) == ("-0.502 to 0.498", "stated")


@pytest.mark.parametrize("dtype", [UINT8, INT8])
def test_pixels_become_the_integers_of_their_values(dtype: int) -> None:
    pixels = np.arange(90, 186, 8, dtype=np.uint8).reshape(1, 2, 2, 3)
    found = LiteRTEngine(_spanning(-0.93, 1.04, dtype), "it").run(pixels).logits
    assert found is not None
    scale = (1.04 + 0.93) / 255
    np.testing.assert_allclose(found, pixels.reshape(1, 12) / 127.5 - 1, atol=scale / 2 + 1e-6)


def test_stated_colours_are_used_where_nothing_states_the_range() -> None:
    info = read_interface(append_to_flatbuffer(echo(), Metadata(channels="bgr")), "it").info
    assert (info.channels, info.range_origin) == ("bgr", "assumed")
