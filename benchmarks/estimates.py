"""Compare what `imagebeam doctor` estimates with what the job takes, on five kinds of input.

python -m benchmarks.estimates [--folder DIR] [--only NAME …] [--module HANDLE]

With --folder, the inputs are kept there and used again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks import slow_server
from benchmarks.contenders import ROOT
from benchmarks.photos import make_photos
from benchmarks.runs import run
from benchmarks.sample_data import drawings

_WAIT = 0.05
_LARGE = (4000, 3000)
_SMALL = (500, 375)
_IMAGEBEAM = (sys.executable, "-m", "imagebeam")


@dataclass(frozen=True)
class Input:
    """An input to estimate.

    Attributes:
        name: in the table.
        make: makes it in a folder, which does not exist yet.
        arguments: makes a block in which its arguments name this input.
    """

    name: str
    make: Callable[[Path], None]
    arguments: Callable[[Path], AbstractContextManager[tuple[str, ...]]]


def main() -> None:
    """Make the inputs, estimate each, run it, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates", description=__doc__)
    parser.add_argument("--folder", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[each.name for each in INPUTS])
    parser.add_argument("--module", default="demo", metavar="HANDLE")
    args = parser.parse_args()
    table = Table("input", "images", box=None, pad_edge=False)
    for name in ("seconds", "CPU seconds", "MB written"):
        for column in (f"{name},\nestimate", "\nreal", "\nratio"):
            table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        for each in INPUTS:
            if args.only is None or each.name in args.only:
                made = folder / each.name.replace(" ", "-")
                _make_once(each, made)
                with each.arguments(made) as arguments:
                    words = (*arguments, "--module", args.module)
                    table.add_row(each.name, *_compared(words, Path(temporary)))
    Console(highlight=False).print(table)


def _make_once(wanted: Input, folder: Path) -> None:
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        wanted.make(partial)
        partial.rename(folder)


def _compared(arguments: tuple[str, ...], folder: Path) -> Iterator[str]:
    output = folder / "output"
    command = (*arguments, "--output", str(output))
    doctor = subprocess.run(
        (*_IMAGEBEAM, "doctor", *command, "--json"), cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    findings = {each["about"]: each["facts"] for each in json.loads(doctor.stdout)["findings"]}
    estimate: dict[str, Any] = findings["estimate"]
    real = run((*_IMAGEBEAM, "label", *command), ROOT)
    written = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    shutil.rmtree(output)
    yield f"{estimate['images']:,}"
    for estimated, measured in (
        (estimate["seconds"], real.seconds),
        (estimate["core_seconds"], real.cpu),
        (findings["space"]["needed_bytes"] / 1e6, written / 1e6),
    ):
        yield from (f"{estimated:.1f}", f"{measured:.1f}", f"{estimated / measured:.2f}")


def _small(folder: Path, count: int, unique: int = 2000) -> None:
    """Make photos, of which those beyond `unique` are further names of the same files."""
    make_photos(folder, min(unique, count), None)
    paths = sorted(folder.rglob("*.jpg"))
    for index in range(unique, count):
        # In other folders, so that no file of results holds equal rows, which take less space.
        path = paths[index % unique]
        place = folder / f"{index // unique:02d}-{path.parent.name}"
        place.mkdir(exist_ok=True)
        os.link(path, place / path.name)


def _drawn(folder: Path, count: int, unique: int, size: tuple[int, int], suffix: str) -> None:
    """Make pictures of a size, of which those beyond `unique` are further names."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True)
    for index in range(unique):
        picture = drawings.draw(index % len(drawings.CLASSES), rng, size[1], size[0])
        noise = rng.normal(0, 4, picture.shape)
        noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{index:06d}{suffix}", quality=90)
    for index in range(unique, count):
        os.link(folder / f"{index % unique:06d}{suffix}", folder / f"{index:06d}{suffix}")


def _packed(folder: Path, count: int) -> None:
    """Make a .tar.gz of photos."""
    with tempfile.TemporaryDirectory() as loose:
        make_photos(Path(loose), min(count, 500), None)
        paths = sorted(Path(loose).rglob("*.jpg"))
        folder.mkdir(parents=True)
        with tarfile.open(folder / "photos.tar.gz", "w:gz", compresslevel=1) as archive:
            for index, path in enumerate(islice(cycle(paths), count)):
                archive.add(path, f"{index:06d}.jpg")


def _folder(made: Path) -> AbstractContextManager[tuple[str, ...]]:
    return nullcontext((str(made),))


INPUTS = (
    Input("small photos", lambda folder: _small(folder, 40_000), _folder),
    Input("12 megapixels", lambda folder: _drawn(folder, 2_000, 20, _LARGE, ".jpg"), _folder),
    Input(
        "tar.gz",
        lambda folder: _packed(folder, 15_000),
        lambda made: nullcontext((str(made / "photos.tar.gz"),)),
    ),
    Input(
        "http",
        lambda folder: _small(folder, 20_000),
        lambda made: slow_server.served_photos(made, _WAIT),
    ),
    Input("PNG", lambda folder: _drawn(folder, 10_000, 200, _SMALL, ".png"), _folder),
)


if __name__ == "__main__":
    main()
