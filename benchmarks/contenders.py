"""The contenders: the bare loop, the job, and other programs for this work."""

import sys
from dataclasses import dataclass
from pathlib import Path

from imagebeam.modules.types import Module

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
_PEERS = Path(__file__).with_name("peers")

BARE_LOOP = "bare loop"
OURS = "imagebeam label"


@dataclass(frozen=True)
class Contender:
    """One way to label a folder of photos.

    Attributes:
        name: in tables.
        command: its program and arguments, but for the last, its output.
        absent: why it cannot run; None if it can.
    """

    name: str
    command: tuple[str, ...]
    absent: str | None = None


def contenders(module: Module, handle: str, photos: str) -> list[Contender]:
    """Return all contenders, with the same module; a peer that is not installed is reported."""
    flatbuffer, source = str(module.path), str(module.source)
    # Peers make squares; a module that takes others distorts their pictures.
    side = str(module.info.image_size[0])
    python = sys.executable
    return [
        Contender(BARE_LOOP, (python, "-m", "benchmarks.bare_loop", handle, photos)),
        Contender(OURS, label_command("--module", handle, photos)),
        _peer("Daft", "daft_label.py", flatbuffer, side, photos),
        _peer("Ray Data", "ray_label.py", flatbuffer, side, photos),
        Contender(
            "Beam RunInference",
            (python, str(_PEERS / "run_inference_label.py"), source, side, photos),
            None if module.source.is_dir() else "needs a SavedModel: the module is a flatbuffer",
        ),
    ]


def label_command(*arguments: str) -> tuple[str, ...]:
    """Return the command of a job, but for its output."""
    return (sys.executable, "-m", "imagebeam", "label", *arguments, "--output")


def _peer(name: str, script: str, *arguments: str) -> Contender:
    command = (str(PEERS_PYTHON), str(_PEERS / script), *arguments)
    return Contender(name, command, None if PEERS_PYTHON.exists() else "not installed: make peers")
