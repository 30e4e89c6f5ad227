"""Test that a module in a process of its own gives the same answers, and may end or hang there."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from imagebeam.modules.engines import load_engine
from imagebeam.modules.engines.separate import SeparateEngine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import open_module
from imagebeam.modules.output_kinds import KINDS
from imagebeam.modules.types import TENSORFLOW, Module


@pytest.fixture(scope="module")
def module() -> Module:
    return open_module("demo")


@pytest.fixture
def engine(module: Module) -> Iterator[SeparateEngine]:
    with closing(SeparateEngine(module)) as engine:
        yield engine


def _pixels(module: Module, count: int) -> npt.NDArray[np.uint8]:
    shape = (count, *module.info.image_size, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def _process() -> psutil.Process:
    below = psutil.Process().children()
    [found] = [each for each in below if "separate_child" in " ".join(each.cmdline())]
    return found


def test_its_answers_are_those_of_the_engine(module: Module, engine: SeparateEngine) -> None:
    direct = load_engine(module.engine, module.path, module.info)
    for count in (3, 0, 1):
        # A slice of every second picture is not contiguous.
        pixels = _pixels(module, 2 * count)[::2]
        found, expected = engine.run(pixels), direct.run(pixels)
        for kind in KINDS:
            np.testing.assert_array_equal(getattr(found, kind), getattr(expected, kind))


def test_it_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module = open_module("demo", TENSORFLOW)
    with closing(SeparateEngine(module)) as engine:
        engine.run(_pixels(module, 1))
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_is_an_error(module: Module, engine: SeparateEngine) -> None:
    _process().kill()
    reason = "the process that runs it ended with signal Killed. Check free memory; if there is "
    with pytest.raises(ModuleError, match=reason):
        engine.run(_pixels(module, 1))


def test_a_process_that_hangs_is_ended(module: Module, engine: SeparateEngine) -> None:
    process = _process()
    process.suspend()
    engine._seconds = 0.2
    with pytest.raises(ModuleError, match=r"no answer within 0\.2 s\. It may run for ever"):
        engine.run(_pixels(module, 1))
    assert not process.is_running()


def test_a_module_that_cannot_be_loaded_is_an_error(module: Module) -> None:
    other = replace(module, info=replace(module.info, class_count=7))
    with pytest.raises(ModuleError, match=r"it cannot be run \(ModuleError: .*class_count is 24"):
        SeparateEngine(other)
    ended = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    assert [each for each in ended if "separate_child" in " ".join(each.cmdline())] == []


def test_it_does_not_end_with_ctrl_c(module: Module, engine: SeparateEngine) -> None:
    _process().send_signal(signal.SIGINT)
    assert engine.run(_pixels(module, 1)).scores is not None
