"""What `imagebeam label` was asked for, checked as far as that needs nothing but the options."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.errors import UsageError
from beam_pipeline.guard import ANY_BUT_ALL, FailureLimit
from images.decode import Resize
from images.errors import CODES
from results.layout import Format
from results.schema import EMITTED


@dataclass(frozen=True)
class LabelOptions:
    """The options of one job, by the names that the command line gives them."""

    inputs: tuple[str, ...]
    output: Path
    module: str | None = None
    engine: str = "auto"
    emit: tuple[str, ...] = ("labels",)
    top_k: int = 5
    labels: Path | None = None
    format: Format = "parquet"
    resize: Resize = "crop"
    max_image_bytes: int = 100_000_000
    max_image_pixels: int = 100_000_000
    limit: int | None = None
    max_failure_rate: FailureLimit = ANY_BUT_ALL
    retry_failed: tuple[str, ...] | None = None
    overwrite: bool = False
    images_per_shard: int | None = None
    decode_processes: int = os.cpu_count() or 1
    decode_seconds: float = 60.0
    decode_memory: int = 2_000_000_000
    stall_seconds: float = 1800.0
    shared_disk: bool = False
    detach: bool = False
    beam_args: tuple[str, ...] = ()
    debug: bool = False

    @classmethod
    def parse(cls, args: argparse.Namespace) -> "LabelOptions":
        """The options from what argparse understood.

        Raises:
            UsageError: a value that makes no sense.
        """
        values = {name: getattr(args, name) for name in cls.__dataclass_fields__}
        for name in _AT_LEAST_ONE:
            _positive(name, values[name])
        return cls(
            **values
            | {
                "inputs": tuple(args.inputs),
                "output": args.output.absolute(),
                "emit": _emit(args.emit),
                "max_failure_rate": FailureLimit.parse(args.max_failure_rate),
                "retry_failed": _codes(args.retry_failed),
                "decode_processes": args.decode_processes or cls.decode_processes,
                "beam_args": tuple(args.beam_args),
            }
        )


_AT_LEAST_ONE = (
    *("top_k", "max_image_bytes", "max_image_pixels", "limit", "images_per_shard"),
    *("decode_processes", "decode_seconds", "decode_memory", "stall_seconds"),
)


def _positive(name: str, value: float | None) -> None:
    if value is not None and value < 1:
        raise UsageError(f"--{name.replace('_', '-')} {value}: must be at least 1.")


def _emit(text: str) -> tuple[str, ...]:
    asked = [part.strip() for part in text.split(",")]
    for name in asked:
        if name not in EMITTED:
            raise UsageError(
                f"--emit {text}: {name!r} is none of {', '.join(EMITTED)}. Join several by commas."
            )
    return tuple(name for name in EMITTED if name in asked)


def _codes(codes: Sequence[str] | None) -> tuple[str, ...] | None:
    for code in codes or ():
        if code not in CODES:
            raise UsageError(f"--retry-failed {code}: no such code. There are {', '.join(CODES)}.")
    return None if codes is None else tuple(codes)
