"""Runs the command line on small archives of drawn pictures, and reads what it left."""

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

from imagebeam.beam_pipeline.cli import main
from imagebeam.samples import drawings

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "beam_pipeline")
RUNNER: tuple[str, ...] = ()
"""Beam options that every job gets besides its own; with any, it has a process of its own."""


def archive(folder: Path, count: int, rubbish: int = 0) -> list[str]:
    """Draw `count` pictures as JPEG, in two folders, and some files that are none; all URIs."""
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
    """Run the command line; its exit code."""
    words = [str(argument) for argument in arguments]
    if words[0] == "label" and RUNNER:
        # Beam's client of an engine leaves threads and pipes behind in a process that goes on.
        return subprocess.run(
            [*COMMAND, *words, *RUNNER],
            stdin=sys.stdin if "-" in words else subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
        ).returncode
    return main.run(words)


def predictions(output: Path) -> list[dict[str, Any]]:
    """The rows of all parts, by URI."""
    return _rows(output / "predictions")


def errors(output: Path) -> list[dict[str, Any]]:
    """The rows of all parts, by URI."""
    return _rows(output / "errors")


def _rows(folder: Path) -> list[dict[str, Any]]:
    table = ds.dataset(folder, format="parquet").to_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return sorted(rows, key=lambda row: row["uri"])


def files(output: Path) -> dict[str, bytes]:
    """The content of every part, by name."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for folder in ("predictions", "errors")
        for path in (output / folder).iterdir()
    }


def stop_when(
    ready: Callable[[], bool], how: signal.Signals, *arguments: object
) -> tuple[int, str]:
    """Run the command line in its own process and send it a signal; exit code and stderr."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while not ready() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(how)
    _, stderr = process.communicate()
    return process.returncode, stderr


def parts(output: Path) -> int:
    """How many parts an output shows; 0 if it is not there yet."""
    folder = output / "predictions"
    return sum(not name.startswith(".") for name in os.listdir(folder)) if folder.exists() else 0
