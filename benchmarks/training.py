"""Compare fine-tuned networks of uint8 and int8 and a linear head on the same drawn pictures.

    python -m benchmarks.training --from mobilenet_v1_050_160 --pictures 40 --epochs 12

All get the same folders of classes; the accuracy is measured on other pictures, with the
flatbuffer that `imagebeam label` runs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.runs import run
from benchmarks.sample_data.drawings import CLASSES, draw

_SIZE = (240, 320)
_MODULE = (sys.executable, "-m", "imagebeam", "module")


def main() -> None:
    """Draw, train, evaluate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--from", dest="source", default="mobilenet_v1_050_160")
    parser.add_argument("--pictures", type=int, default=40, help="of a class, to train on")
    parser.add_argument("--epochs", type=int, default=12, help="of fine-tuning")
    parser.add_argument("--form", choices=("uint8", "int8", "head"), help="train only this one")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="for pictures and modules")
    args = parser.parse_args()
    network = ["--epochs", str(args.epochs), "--quantization"]
    forms = {
        "uint8": [*network, "uint8", "--output", "uint8"],
        "int8": [*network, "int8", "--output", "int8"],
        "head": ["--freeze-network", "--output", "head.tflite"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        _draw(folder / "train", args.pictures, seed=1)
        _draw(folder / "test", max(1, args.pictures // 2), seed=2)
        print("| trained | accuracy on new pictures | 95 % interval | CPU seconds | seconds |")
        print("|---|---|---|---|---|")
        for form in [args.form] if args.form else forms:
            options = forms[form]
            taken = run((*_MODULE, "train", "train", "--from", args.source, *options), folder)
            found = _evaluate(folder, options[-1])
            low, high = found["top_1_interval"]
            print(
                f"| {form} | {found['top_1']:.1%} of {found['images']:,} | {low:.1%} to {high:.1%} "
                f"| {taken.cpu:.0f} | {taken.seconds:.0f} |"
            )


def _draw(folder: Path, count: int, seed: int) -> None:
    for index, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        rng = np.random.default_rng([seed, index])
        for number in range(count):
            picture = Image.fromarray(draw(index, rng, *_SIZE))
            picture.save(folder / name / f"{number:04d}.jpg", quality=90)


def _evaluate(folder: Path, module: str) -> Any:
    command = (*_MODULE, "evaluate", module, "test", "--json")
    return json.loads(
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    )


if __name__ == "__main__":
    main()
