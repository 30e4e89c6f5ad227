"""The summary of a job: every requested image is counted exactly once."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeAlias

from imagebeam.errors import ImagebeamError
from imagebeam.outputs.layout import Layout, read_document, write_whole
from imagebeam.outputs.listing_count import forget_listed_images
from imagebeam.outputs.same_content import SameContent
from imagebeam.outputs.writers import Writers

_DIGEST_BITS = 128

Costs: TypeAlias = Mapping[str, tuple[float, float]]
"""(wall, CPU) seconds by stage."""

_NOTHING: Costs = MappingProxyType({})

LeftOutCounts: TypeAlias = Mapping[str, tuple[int, Sequence[str]]]
"""Entries that listing met and did not request: (number, a few names) by reason."""

_EXAMPLES = 3


class AccountError(ImagebeamError, RuntimeError):
    """The counts of a finished job do not add up: a defect, or the output was changed."""


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
        seen: files, members and lines that listing met, each requested or left out.
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
            write_whole(layout.plan, _json(values))
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


def summarise(
    plan: Plan,
    tally: Tally,
    provenance: Mapping[str, Any],
    before: Costs = _NOTHING,
    failed_in_output: Mapping[str, int] | None = None,
    same_content: SameContent | None = None,
) -> dict[str, Any]:
    """Return the content of `summary.json`.

    `output` counts the rows of all runs, and `run` the images of this one. The same counts of the
    run stand beside them for programs that read summaries of earlier versions.

    Args:
        plan: of all inputs.
        tally: of all shards.
        provenance: what the summary says about the job besides the counts.
        before: time spent before there was a plan.
        failed_in_output: rows in errors by code; None if the output holds rows of this run only.
        same_content: images of the output with equal bytes; None if they have no digests.

    Raises:
        AccountError: an image is missing, or one is counted twice.
    """
    failed = sum(tally.failed.values())
    already_done = plan.already_labelled + plan.already_failed
    accounted = tally.labelled + failed + already_done + plan.duplicates
    if accounted != plan.requested:
        raise AccountError(
            f"{plan.requested:,} images were requested but {accounted:,} are accounted for "
            f"({tally.labelled:,} labelled, {failed:,} failed, {already_done:,} already done, "
            f"{plan.duplicates:,} duplicates). Run the same command again to resume."
        )
    left_out = sum(count for count, _ in plan.left_out.values())
    if plan.seen != plan.requested + left_out:
        raise AccountError(
            f"{plan.seen:,} files, members and lines were listed, but {plan.requested:,} were "
            f"requested and {left_out:,} left out. Run the same command again to resume."
        )
    failed_by_code = dict(sorted(tally.failed.items()))
    in_output = failed_by_code
    if failed_in_output is not None:
        in_output = dict(sorted(failed_in_output.items()))
    return {
        "output": {
            "rows": plan.rows,
            "labelled": plan.rows - sum(in_output.values()),
            "failed": sum(in_output.values()),
            "failed_by_code": in_output,
        },
        "run": {
            "requested": plan.requested,
            "duplicates": plan.duplicates,
            "already_done": already_done,
            "labelled": tally.labelled,
            "failed": failed,
            "failed_by_code": failed_by_code,
        },
        "requested": plan.requested,
        "labelled": tally.labelled,
        "failed": failed,
        "already_done": already_done,
        "duplicates": plan.duplicates,
        "failed_by_code": failed_by_code,
        "already_labelled": plan.already_labelled,
        "already_failed": plan.already_failed,
        "left_out": {
            reason: {"count": count, "examples": list(examples)}
            for reason, (count, examples) in plan.left_out.items()
        },
        **({"same_content": same_content.as_json()} if same_content is not None else {}),
        "shards": tally.shards,
        "rows": plan.rows,
        "rows_digest": f"{plan.rows_digest:032x}",
        "stages": {
            name: {"wall_seconds": round(wall, 3), "cpu_seconds": round(cpu, 3)}
            for name, (wall, cpu) in {**before, **plan.costs, **tally.costs}.items()
        },
        **provenance,
    }


def write_summary(layout: Layout, summary: Mapping[str, Any]) -> None:
    """Write `summary.json`, which marks the job as complete."""
    with Writers(layout).one():
        write_whole(layout.summary, _json(summary))


def read_summary(layout: Layout) -> dict[str, Any]:
    """Read the summary of a complete job.

    Raises:
        FileNotFoundError: the job is not complete.
        ValueError: the file is damaged.
    """
    summary = read_document(layout.summary)
    _check_counts(summary, _COUNTS)
    by_code, stages = summary.get("failed_by_code"), summary.get("stages", {})
    _check_counts(by_code, by_code or ())
    # Earlier versions wrote none.
    if (output := summary.get("output")) is not None:
        _check_counts(output, ("rows", "labelled", "failed"))
        _check_counts(output.get("failed_by_code"), output.get("failed_by_code") or ())
    if not isinstance(summary.get("rows_digest"), str):
        raise ValueError("it has no text named 'rows_digest'")
    for times in stages.values() if isinstance(stages, dict) else [None]:
        if not isinstance(times, dict) or not all(
            isinstance(times.get(name), (int, float)) for name in ("wall_seconds", "cpu_seconds")
        ):
            raise ValueError("its 'stages' have no times")
    return summary


_COUNTS = (
    *("requested", "labelled", "failed", "already_done", "duplicates"),
    *("already_labelled", "already_failed", "rows"),
)
"""Numbers that a summary must have."""


def _check_counts(values: Any, names: Iterable[str]) -> None:
    if not isinstance(values, dict):
        raise ValueError("it has no counts by code")
    for name in names:
        if not isinstance(values.get(name), int):
            raise ValueError(f"it has no count named {name!r}")


def read_plan(layout: Layout) -> Plan | None:
    """Read what the latest run has to do; None while it is still listing.

    Raises:
        ValueError: the file is damaged.
    """
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
        _check_counts(values, counts)
        return Plan(**values)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not a plan of this version ({error!r})") from error


def _json(values: Mapping[str, Any]) -> bytes:
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    # A path that is not UTF-8 holds surrogates. This writes them as escapes of JSON.
    return text.encode("utf-8", "backslashreplace")
