"""How far a job is, from its output alone: on any runner, in any process."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from results import tfrecord
from results.account import Plan, read_plan
from results.layout import Layout


@dataclass(frozen=True)
class Progress:
    """What has been done since the watch began.

    Attributes:
        plan: None while images are still being listed.
        labelled: images with a row in predictions.
        failed: images with a row in errors, by code.
    """

    plan: Plan | None
    labelled: int
    failed: Mapping[str, int]

    @property
    def done(self) -> int:
        """Images with a row."""
        return self.labelled + sum(self.failed.values())


class Watch:
    """Counts the rows of parts that appear in an output; each part is opened once.

    Args:
        layout: of the output.
        and_earlier: count also the parts that stand there already.
    """

    def __init__(self, layout: Layout, and_earlier: bool = False) -> None:
        self._layout = layout
        earlier = () if and_earlier else (*layout.prediction_parts(), *layout.error_parts())
        self._seen = set(earlier)
        self._labelled = 0
        self._failed: Counter[str] = Counter()

    def look(self) -> Progress:
        """The progress up to now."""
        # A part may be gone by now: a shard that is done again takes away what it left before.
        for part in self._new(self._layout.prediction_parts()):
            with suppress(FileNotFoundError):
                self._labelled += _rows(part)
                self._seen.add(part)
        for part in self._new(self._layout.error_parts()):
            with suppress(FileNotFoundError):
                self._failed.update(_codes(part))
                self._seen.add(part)
        return Progress(read_plan(self._layout), self._labelled, dict(self._failed))

    def _new(self, parts: Iterator[Path]) -> list[Path]:
        return [part for part in parts if part not in self._seen]


def _rows(part: Path) -> int:
    if part.suffix == ".tfrecord":
        return tfrecord.count(part)
    return int(pq.read_metadata(part).num_rows)


def _codes(part: Path) -> list[str]:
    with pq.ParquetFile(part) as file:
        return list(file.read(columns=["code"])["code"].to_pylist())
