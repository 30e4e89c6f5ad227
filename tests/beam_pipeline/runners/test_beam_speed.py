import base64
import bz2
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.internal import cloudpickle_pickler
from apache_beam.runners.worker import statesampler
from apache_beam.transforms import userstate
from apache_beam.utils.counters import CounterFactory

from imagebeam.beam_pipeline.runners.beam_speed import (
    remember_dofn_specs,
    shorten_bundle_ends,
    uncompressed_pickles,
)

_STATE = userstate.CombiningValueStateSpec("sum", sum)
_TOTAL = beam.DoFn.StateParam(_STATE)


class _Stateful(beam.DoFn):
    def process(self, element: Any, total: Any = _TOTAL) -> list[Any]:
        return [element]


class _StatefulByInstance(beam.DoFn):
    def __init__(self) -> None:
        self.process = _Stateful().process


def _finder() -> tuple[SimpleNamespace, list[Any]]:
    """A module with Beam's function, and the list of the DoFns that it inspects."""
    inspected = []

    def get_dofn_specs(dofn: Any) -> Any:
        inspected.append(dofn)
        return userstate.get_dofn_specs(dofn)

    return SimpleNamespace(get_dofn_specs=get_dofn_specs), inspected


def test_state_is_looked_for_once_per_class() -> None:
    module, inspected = _finder()
    remember_dofn_specs(module)
    remember_dofn_specs(module)
    dofns = [_Stateful(), _Stateful(), *map(beam.DoFn.from_callable, (str, len))]
    for dofn in dofns:
        assert module.get_dofn_specs(dofn) == userstate.get_dofn_specs(dofn)
    assert module.get_dofn_specs(dofns[0]) == ({_STATE}, set())
    assert inspected == [dofns[0], dofns[2]]


def test_the_methods_of_an_instance_are_not_forgotten() -> None:
    module, inspected = _finder()
    remember_dofn_specs(module)
    for dofn in (_StatefulByInstance(), _StatefulByInstance()):
        assert module.get_dofn_specs(dofn) == ({_STATE}, set())
    assert len(inspected) == 2


@pytest.mark.parametrize(
    "module", [SimpleNamespace(), SimpleNamespace(get_dofn_specs=lambda dofn, more: None)]
)
def test_a_beam_that_looks_for_state_in_another_way_is_left_alone(module: Any) -> None:
    before = dict(vars(module))
    with pytest.warns(UserWarning, match="get_dofn_specs of the expected shape"):
        remember_dofn_specs(module)
    assert vars(module) == before


def test_a_bundle_waits_a_fiftieth_of_a_second_for_the_thread_that_looks_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statesampler.StateSampler.__init__, "__defaults__", (200,))
    shorten_bundle_ends()
    assert statesampler.StateSampler("stage", CounterFactory()).sampling_period_ms == 20


class _SamplerWithMore:
    def __init__(self, prefix: str, sampling_period_ms: int = 200, more: int = 1) -> None:
        pass


class _SamplerWithoutDefault:
    def __init__(self, prefix: str, sampling_period_ms: int) -> None:
        pass


@pytest.mark.parametrize("sampler", [_SamplerWithMore, _SamplerWithoutDefault])
def test_a_beam_that_looks_at_bundles_in_another_way_is_left_alone(sampler: Any) -> None:
    before = sampler.__init__.__defaults__
    with pytest.warns(UserWarning, match="of the expected shape"):
        shorten_bundle_ends(sampler)
    assert sampler.__init__.__defaults__ == before


def _pickler() -> SimpleNamespace:
    """A module that compresses as Beam's does."""
    return SimpleNamespace(bz2=bz2)


def test_pickles_are_not_compressed_in_the_block() -> None:
    pickler = _pickler()
    compressed = pickler.bz2.compress(b"data", compresslevel=9)
    with uncompressed_pickles(pickler):
        with uncompressed_pickles(pickler):
            pass
        assert pickler.bz2.compress(b"data", compresslevel=9) == b"data"
        assert pickler.bz2.decompress(compressed) == b"data"
    assert pickler.bz2.compress(b"data", compresslevel=9) == compressed
    assert pickler.bz2.decompress(b"data") == b"data"


def test_beam_pickles_with_what_the_block_replaces() -> None:
    with uncompressed_pickles():
        plain = cloudpickle_pickler.dumps([1, "a"])
    compressed = cloudpickle_pickler.dumps([1, "a"])
    assert base64.b64decode(plain) == bz2.decompress(base64.b64decode(compressed))
    assert [*map(cloudpickle_pickler.loads, (plain, compressed))] == [[1, "a"]] * 2


def test_a_beam_that_compresses_in_another_way_is_left_alone() -> None:
    pickler = SimpleNamespace(lzma=1)
    with (
        pytest.warns(UserWarning, match="cloudpickle_pickler.bz2 of the expected shape"),
        uncompressed_pickles(pickler),
    ):
        pass
    assert vars(pickler) == {"lzma": 1}
