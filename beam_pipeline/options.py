"""What `imagebeam label` was asked for, checked as far as that needs nothing but the options."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners.watchdog import ANY_BUT_ALL, FailureLimit
from imagebeam.images.access import Access
from imagebeam.images.containers import MemberSelection
from imagebeam.images.decode import Resize
from imagebeam.images.errors import CODES
from imagebeam.images.preprocessing import Preprocessing
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.outputs.layout import Format
from imagebeam.outputs.schema import EMITTED, RESERVED
from imagebeam.storage import AnyPath, Settings, location


@dataclass(frozen=True)
class LabelOptions:
    """The options of one job, by the names that the command line gives them."""

    inputs: tuple[str, ...]
    output: AnyPath
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
    decode_processes: int | None = None
    decode_seconds: float = 60.0
    decode_memory: int = 2_000_000_000
    keep: Mapping[str, str] = field(default_factory=dict)
    image_key: str = MemberSelection.image_key
    image_column: str | None = None
    id_key: str | None = None
    concurrent_reads: int = Access.concurrent_reads
    read_seconds: float = Settings.seconds
    read_attempts: int = Settings.attempts
    connections_per_host: int = Settings.connections_per_host
    allow_private_hosts: bool = False
    ignore_opt_outs: bool = False
    stall_seconds: float = 1800.0
    shared_disk: bool = False
    detach: bool = False
    beam_args: tuple[str, ...] = ()
    debug: bool = False

    @classmethod
    def parse(cls, args: argparse.Namespace) -> "LabelOptions":
        """The options from what argparse understood.

        Raises:
            UsageError, UnwritableName: a value that makes no sense.
        """
        values = {name: getattr(args, name) for name in cls.__dataclass_fields__}
        for name in _AT_LEAST_ONE:
            _positive(name, values[name])
        return cls(
            **values
            | {
                "inputs": tuple(args.inputs),
                "output": location(args.output).absolute(),
                "emit": _emit(args.emit),
                "max_failure_rate": FailureLimit.parse(args.max_failure_rate),
                "retry_failed": _codes(args.retry_failed),
                "keep": _kept(args.keep),
                "beam_args": tuple(args.beam_args),
            }
        )

    def preprocessing(self, size: tuple[int, int]) -> Preprocessing:
        """How pictures become the input of a module that takes (height, width) pixels."""
        return Preprocessing(size, self.resize, self.max_image_bytes, self.max_image_pixels)

    @property
    def decode_limits(self) -> DecodeLimits:
        """What one image may cost."""
        return DecodeLimits(self.decode_seconds, self.decode_memory)

    @property
    def access(self) -> Access:
        """How images are reached."""
        settings = Settings(
            self.read_seconds,
            self.read_attempts,
            self.allow_private_hosts,
            not self.ignore_opt_outs,
            self.connections_per_host,
        )
        selection = MemberSelection(self.image_key, self.image_column, self.id_key)
        return Access(settings, self.concurrent_reads, selection)


_AT_LEAST_ONE = (
    *("top_k", "max_image_bytes", "max_image_pixels", "limit", "images_per_shard"),
    *("decode_processes", "decode_seconds", "decode_memory", "stall_seconds"),
    *("concurrent_reads", "read_seconds", "read_attempts", "connections_per_host"),
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


def _kept(columns: Sequence[str] | None) -> dict[str, str]:
    """The columns to keep, each with the name that it gets."""
    kept: dict[str, str] = {}
    for text in columns or ():
        column, _, name = text.partition("=")
        name = name or column
        if not column or name in RESERVED:
            raise UsageError(
                f"--keep {text}: rows have a column {name!r} already. Give it another name, such "
                f"as --keep {column or 'COLUMN'}=known_{name}."
            )
        if column in kept or name in kept.values():
            raise UsageError(f"--keep {text}: {name!r} is kept already. Name each column once.")
        kept[column] = name
    return kept


def _codes(codes: Sequence[str] | None) -> tuple[str, ...] | None:
    for code in codes or ():
        if code not in CODES:
            raise UsageError(f"--retry-failed {code}: no such code. There are {', '.join(CODES)}.")
    return None if codes is None else tuple(codes)
