"""Run the command line on small archives of drawn pictures, and read its output."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
from PIL import Image

from benchmarks.sample_data import drawings
from imagebeam.beam_pipeline.cli import main
from tests.faults.decoding import PLUGIN

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "beam_pipeline")
RUNNER: tuple[str, ...] = ()
"""Beam options that are added to every job; a job with any runs in a separate process."""


def archive(folder: Path, count: int, rubbish: int = 0) -> list[str]:
    """Draw `count` JPEGs in two folders, add some files that are not pictures; return the URIs."""
    rng = np.random.default_rng(0)
    names = []
    for index in range(count):
        place = folder / ("even" if index % 2 == 0 else "odd")
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{index:04d}.jpg"
        pixels = drawings.draw(index % len(drawings.CLASSES), rng, 120, 160)
        Image.fromarray(pixels).save(path, quality=85)
        names.append(str(path))
    for index in range(rubbish):
        path = folder / f"rubbish-{index:04d}.jpg"
        path.write_bytes((b"", b"<html>", b"\xff\xd8\xff\xe0 no picture", b"\0" * 99)[index % 4])
        names.append(str(path))
    return sorted(names)


def imagebeam(*arguments: object) -> int:
    """Run the command line; return its exit code."""
    words = [str(argument) for argument in arguments]
    if words[0] == "label" and RUNNER:
        # Beam's client of an engine leaves threads and pipes in a process that continues.
        return subprocess.run(
            [*COMMAND, *words, *RUNNER],
            stdin=sys.stdin if "-" in words else subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
        ).returncode
    return main.run(words)


def predictions(output: Path) -> list[dict[str, Any]]:
    """Return the rows of all parts, by URI."""
    return _rows(output / "predictions")


def errors(output: Path) -> list[dict[str, Any]]:
    """Return the rows of all parts, by URI."""
    return _rows(output / "errors")


def _rows(folder: Path) -> list[dict[str, Any]]:
    table = ds.dataset(folder, format="parquet").to_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return sorted(rows, key=lambda row: row["uri"])


def files(output: Path) -> dict[str, bytes]:
    """Return the content of every part, by name."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for folder in ("predictions", "errors")
        for path in (output / folder).iterdir()
    }


def stop_when(
    ready: Callable[[], bool], how: signal.Signals, *arguments: object
) -> tuple[int, str]:
    """Run the command line in a process and send it a signal; return exit code and stderr.

    A job does not end before the signal if its last picture is a `bmp` that waits.
    """
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PLUGIN)},
    )
    while not ready() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(how)
    _, stderr = process.communicate()
    return process.returncode, stderr


def parts(output: Path) -> int:
    """Return the number of parts in an output; 0 if it does not exist yet."""
    folder = output / "predictions"
    return sum(not name.startswith(".") for name in os.listdir(folder)) if folder.exists() else 0
