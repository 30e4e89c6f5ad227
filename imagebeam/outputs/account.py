"""The counts of a job: the plan of a run, and the results of its shards."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeAlias

from imagebeam.outputs.documents import read_document, write_document
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.listing_count import forget_listed_images
from imagebeam.outputs.writers import Writers

_DIGEST_BITS = 128

Costs: TypeAlias = Mapping[str, tuple[float, float]]
"""(wall, CPU) seconds by stage."""

NO_COSTS: Costs = MappingProxyType({})

LeftOutCounts: TypeAlias = Mapping[str, tuple[int, Sequence[str]]]
"""Entries that listing found and did not request: (number, a few names) by reason."""

_EXAMPLES = 3


@dataclass(frozen=True)
class Plan:
    """The images that one run requested, and those of them that were left to do.

    Attributes:
        requested: names listed, counted as often as they were listed.
        duplicates: names that repeat an earlier one.
        already_labelled: names with a row in predictions from an earlier run.
        already_failed: names with a row in errors from an earlier run.
        to_do: the rest: requested minus all of these.
        rows: rows that the output will hold at the end, including rows of earlier runs that this
            run does not request.
        rows_digest: sum of `uri_digest` over those rows.
        costs: (wall, CPU) seconds by stage, added up over the threads that spent them.
        seen: files, members and lines that listing found, each requested or left out.
        left_out: what of these was not requested.
    """

    requested: int = 0
    duplicates: int = 0
    already_labelled: int = 0
    already_failed: int = 0
    to_do: int = 0
    rows: int = 0
    rows_digest: int = 0
    costs: Costs = field(default_factory=dict)
    seen: int = 0
    left_out: LeftOutCounts = field(default_factory=dict)

    @staticmethod
    def total(plans: Iterable["Plan"]) -> "Plan":
        """Add up the plans of all parts of a listing, in any order and grouping."""
        sums = {entry.name: 0 for entry in fields(Plan) if entry.name not in ("costs", "left_out")}
        costs: dict[str, tuple[float, float]] = {}
        left_out: dict[str, tuple[int, Sequence[str]]] = {}
        for plan in plans:
            for name in sums:
                sums[name] += getattr(plan, name)
            _add(costs, plan.costs)
            for reason, (count, examples) in plan.left_out.items():
                before = left_out.get(reason, (0, ()))
                names = sorted({*before[1], *examples})[:_EXAMPLES]
                left_out[reason] = (before[0] + count, tuple(names))
        sums["rows_digest"] %= 1 << _DIGEST_BITS
        return Plan(**sums, left_out=dict(sorted(left_out.items())), costs=costs)

    def write(self, layout: Layout) -> None:
        """Write the plan to the output, where `status` reads it."""
        values = asdict(self) | {"rows_digest": f"{self.rows_digest:032x}"}
        with Writers(layout).one():
            write_document(layout.plan, values)
            forget_listed_images(layout)


@dataclass(frozen=True)
class Tally:
    """Results of the images of one or more shards.

    Attributes:
        shards: number of shards.
        labelled: rows written to predictions.
        failed: rows written to errors, by code.
        costs: (wall, CPU) seconds by stage, added up over the threads that spent them.
    """

    shards: int = 0
    labelled: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    costs: Costs = field(default_factory=dict)

    @staticmethod
    def total(tallies: Iterable["Tally"]) -> "Tally":
        """Add up tallies, in any order and grouping."""
        shards = labelled = 0
        failed: dict[str, int] = {}
        costs: dict[str, tuple[float, float]] = {}
        for tally in tallies:
            shards += tally.shards
            labelled += tally.labelled
            for code, count in tally.failed.items():
                failed[code] = failed.get(code, 0) + count
            _add(costs, tally.costs)
        return Tally(shards, labelled, failed, costs)


def _add(costs: dict[str, tuple[float, float]], more: Costs) -> None:
    for stage, (wall, cpu) in more.items():
        before = costs.get(stage, (0.0, 0.0))
        costs[stage] = (before[0] + wall, before[1] + cpu)


def uri_digest(uri: str) -> int:
    """Return a number for a name; sums of these numbers show whether two sets are the same."""
    digest = hashlib.blake2b(uri.encode(), digest_size=_DIGEST_BITS // 8).digest()
    return int.from_bytes(digest, "big")


def read_plan(layout: Layout) -> Plan | None:
    """Read what the latest run has to do, None while it lists; raise ValueError for damage."""
    try:
        values = read_document(layout.plan)
    except FileNotFoundError:
        return None
    try:
        values["rows_digest"] = int(values["rows_digest"], 16)
        values["costs"] = {stage: tuple(cost) for stage, cost in values.get("costs", {}).items()}
        values["left_out"] = {
            reason: (count, tuple(examples))
            for reason, (count, examples) in values.get("left_out", {}).items()
        }
        counts = [name for name in values if name not in ("costs", "left_out")]
        check_counts(values, counts)
        return Plan(**values)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not a plan of this version ({error!r})") from error


def check_counts(values: Any, names: Iterable[str]) -> None:
    """Raise ValueError if a count is missing among values of a document, or no whole number."""
    if not isinstance(values, dict):
        raise ValueError("it has no counts by code")
    for name in names:
        if not isinstance(values.get(name), int):
            raise ValueError(f"it has no count named {name!r}")
