import sys
from pathlib import Path

import pytest
import tensorflow as tf

from imagebeam.modules import ModuleError, open_module
from imagebeam.modules.tensorflow.subprocess import TaskCrashedError, run_task
from tests.modules.saved_models import mean_colours, write_tf2


def _interpreter(path: Path, script: str) -> str:
    """Write an executable that replaces Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize("signal", ["ABRT", "SEGV"])
def test_a_crash_has_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    script = f"echo loading; echo F converter.cc Check failed; kill -{signal} $$"
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", script))
    with pytest.raises(TaskCrashedError, match=r"loading \| F converter\.cc Check failed"):
        run_task("compile", path="x", output="y")


@pytest.mark.parametrize("script", ["exit 3", "kill -KILL $$"])
def test_another_failure_is_not_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", script))
    with pytest.raises(ModuleError, match="without output") as ended:
        run_task("describe", path="x")
    assert not isinstance(ended.value, TaskCrashedError)


def test_a_module_that_crashes_the_converter_runs_with_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": mean_colours(images)}

    directory = write_tf2(tmp_path / "module", {"default": classify})
    script = f'case "$*" in *compile*) kill -ABRT $$;; *) exec {sys.executable} "$@";; esac'
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", script))
    module = open_module(str(directory), cache=tmp_path / "cache")
    assert (module.engine, module.path, module.info.class_count) == ("tensorflow", directory, 5)
    assert module.engine_reason.startswith("the LiteRT converter crashes on it")
