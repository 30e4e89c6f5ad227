import os
import signal as signals
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import tensorflow as tf

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import open_module
from imagebeam.modules.tensorflow.subprocess import (
    SECONDS_VARIABLE,
    TaskCrashedError,
    TaskTimedOutError,
    run_task,
)
from tests.beam_pipeline.colours import draw
from tests.beam_pipeline.jobs import ROOT, imagebeam
from tests.engines.tools import processes_below
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


@pytest.mark.parametrize("script", ["exit 3", "exit 0", "kill -KILL $$"])
def test_another_failure_is_not_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", script))
    with pytest.raises(ModuleError, match="without output") as ended:
        run_task("describe", path="x")
    assert not isinstance(ended.value, TaskCrashedError)


def test_a_module_may_write_without_end_and_start_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other process holds the pipe open, and lives for an hour.
    script = "sleep 3600 & echo $! > pid; head -c 20000000 /dev/zero | tr '\\0' x; exit 3"
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", script))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleError, match=r"ended with status 3 \(x{500}\)"):
        run_task("describe", path="x")
    started = int((tmp_path / "pid").read_text())
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(started).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)


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


def _endless(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Loop for ever on the probe pictures, as only running the module shows."""
    values = tf.while_loop(
        lambda values: tf.reduce_all(values < 2.0),
        lambda values: (tf.minimum(values + 0.0, 1.0),),
        (mean_colours(images) * 0.0,),
    )
    return {"default": values[0]}


@pytest.mark.slow
def test_a_module_that_never_ends_is_stopped_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _endless})
    monkeypatch.setenv(SECONDS_VARIABLE, "12")
    for engine in ("auto", "tensorflow"):
        with pytest.raises(TaskTimedOutError) as stopped:
            open_module(str(directory), engine, cache=tmp_path / "cache")
        assert str(stopped.value).startswith(f"{str(directory)!r}: TensorFlow did not finish in 12")
        assert "use a .tflite module with --engine litert" in str(stopped.value)
    assert processes_below(psutil.Process(), "tasks:main") == []


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "1e9"])
def test_a_deadline_that_is_no_time_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, text)
    with pytest.raises(ModuleError, match=f"{SECONDS_VARIABLE}='{text}': not a number of seconds"):
        run_task("describe", path="x")


@pytest.mark.slow
def test_a_module_that_never_ends_dies_with_a_killed_parent(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _endless})
    command = [sys.executable, "-m", "beam_pipeline", "module", "show", str(directory)]
    shown = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    )
    parent = psutil.Process(shown.pid)
    while not (below := processes_below(parent, "tasks:main")):
        assert shown.poll() is None
        time.sleep(0.05)
    [task] = below
    # The interpreter has started TensorFlow long before it has taken so much memory.
    while task.memory_info().rss < 200_000_000:
        assert shown.poll() is None
        time.sleep(0.05)
    shown.kill()
    assert shown.wait() == -signals.SIGKILL
    assert psutil.wait_procs([task], timeout=300)[1] == []


def _endless_on_a_grey(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Loop for ever on pictures of one grey, which no probe has."""
    near = tf.reduce_all(tf.abs(images - 200 / 255) < 0.02, axis=[1, 2, 3])
    grey = tf.reduce_any(near)
    end = tf.where(grey, tf.int64.max, 0)
    steps = tf.while_loop(
        lambda step: step < end, lambda step: (step + 1,), (tf.constant(0, tf.int64),)
    )
    return {"default": mean_colours(images) + tf.cast(steps[0], tf.float32) * 0.0}


@pytest.mark.slow
def test_a_module_that_never_ends_on_some_pictures_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _endless_on_a_grey})
    draw(tmp_path / "in" / "grey.png", 200, 200, 200)
    (tmp_path / "true.csv").write_text(f"uri,label\n{tmp_path}/in/grey.png,0\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ("--input-range", 0, 1)
    # Describing and compiling it take longer than the answers are then waited for.
    assert imagebeam("module", "show", directory, "--engine", "tensorflow", *options) == 0
    monkeypatch.setenv(SECONDS_VARIABLE, "30")
    for words in (
        ("module", "evaluate", directory, tmp_path / "true.csv", "--engine", "tensorflow"),
        ("module", "try", directory, tmp_path / "in" / "grey.png"),
    ):
        assert imagebeam(*words, *options) == 2
        assert "no answer within 30 s." in capfd.readouterr().err
    below = psutil.Process().children(recursive=True)
    assert [child for child in below if "separate_child" in str(child.cmdline())] == []
