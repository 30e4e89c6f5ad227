"""Make the sample archive and the embedded module again: `python -m benchmarks.sample_data`.

The archive takes seconds. The module needs TensorFlow and a quarter of an hour.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.sample_data.archive import write_archive
from imagebeam.samples import ARCHIVE, MODULE, TRUTH

if TYPE_CHECKING:
    from imagebeam.mobilenet_v1.training import TrainingProgress

_PARTS = ("archive", "module")
_STEPS_PER_LINE = 100


def main() -> None:
    """Make the parts that the command line names; by default both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sample_data", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        choices=_PARTS,
        default=_PARTS,
        metavar="PART",
        help="archive, module; both by default",
    )
    parts = parser.parse_args().parts
    if "archive" in parts:
        write_archive(ARCHIVE, TRUTH)
        print(f"{ARCHIVE}: written")
    if "module" in parts:
        _replace_module()


def _replace_module() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks.sample_data.training import build_module

    began = time.monotonic()
    fresh = MODULE.with_name(".module.new")
    shutil.rmtree(fresh, ignore_errors=True)
    accuracies = build_module(fresh, _compile, report=_print_progress)
    shutil.rmtree(MODULE, ignore_errors=True)
    fresh.rename(MODULE)
    minutes = (time.monotonic() - began) / 60
    shares = ", ".join(f"{form} {accuracy:.2%}" for form, accuracy in accuracies.items())
    print(f"{MODULE}: written after {minutes:.1f} minutes; accuracy: {shares}")


def _compile(saved_model: Path, flatbuffer: Path) -> None:
    """Compile with `imagebeam module compile`: this package does not import the compiler."""
    command = ("module", "compile", str(saved_model), "--output", str(flatbuffer))
    subprocess.run(
        [sys.executable, "-m", "imagebeam", *command], check=True, stdout=subprocess.DEVNULL
    )


def _print_progress(progress: "TrainingProgress") -> None:
    if progress.step % _STEPS_PER_LINE == 0:
        print(
            f"step {progress.step} of {progress.steps}, {progress.phase.name.lower()}: "
            f"loss {progress.loss:.3f}, accuracy {progress.accuracy:.1%}, "
            f"{progress.seconds_left / 60:.0f} minutes left",
            flush=True,
        )


if __name__ == "__main__":
    main()
