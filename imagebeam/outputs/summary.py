"""The summary of a job: every requested image is counted exactly once."""

from collections.abc import Mapping
from typing import Any

from imagebeam.outputs.account import NO_COSTS, Costs, Plan, Tally, check_counts
from imagebeam.outputs.documents import read_document, write_document
from imagebeam.outputs.errors import AccountError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.same_content import SameContent
from imagebeam.outputs.writers import Writers


def summarise(
    plan: Plan,
    tally: Tally,
    provenance: Mapping[str, Any],
    before: Costs = NO_COSTS,
    failed_in_output: Mapping[str, int] | None = None,
    same_content: SameContent | None = None,
) -> dict[str, Any]:
    """Return the content of `summary.json`.

    `output` counts the rows of all runs, and `run` the images of this one. The same counts of the
    run stand beside them for programs that read summaries of earlier versions.

    Args:
        plan: the plan of all inputs.
        tally: the tally of all shards.
        provenance: what the summary says about the job besides the counts.
        before: time spent before there was a plan.
        failed_in_output: rows in errors by code; None if the output holds rows of this run only.
        same_content: images of the output with equal bytes; None if they have no digests.

    Raises:
        AccountError: an image is missing, or one is counted twice.
    """
    _check_account(plan, tally)
    failed_by_code = dict(sorted(tally.failed.items()))
    in_output = failed_by_code
    if failed_in_output is not None:
        in_output = dict(sorted(failed_in_output.items()))
    failed = sum(in_output.values())
    run = {
        "requested": plan.requested,
        "duplicates": plan.duplicates,
        "already_done": plan.already_labelled + plan.already_failed,
        "labelled": tally.labelled,
        "failed": sum(failed_by_code.values()),
        "failed_by_code": failed_by_code,
    }
    return {
        "output": {
            "rows": plan.rows,
            "labelled": plan.rows - failed,
            "failed": failed,
            "failed_by_code": in_output,
        },
        "run": run,
        **run,
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


def _check_account(plan: Plan, tally: Tally) -> None:
    """Raise AccountError if an image that was listed is missing, or counted twice."""
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


def write_summary(layout: Layout, summary: Mapping[str, Any]) -> None:
    """Write `summary.json`, which marks the job as complete."""
    with Writers(layout).one():
        write_document(layout.summary, summary)


def read_summary(layout: Layout) -> dict[str, Any]:
    """Read the summary of a complete job.

    Raises:
        FileNotFoundError: the job is not complete.
        ValueError: the file is damaged.
    """
    summary = read_document(layout.summary)
    check_counts(summary, _COUNTS)
    by_code, stages = summary.get("failed_by_code"), summary.get("stages", {})
    check_counts(by_code, by_code or ())
    # Earlier versions wrote none.
    if (output := summary.get("output")) is not None:
        check_counts(output, ("rows", "labelled", "failed"))
        check_counts(output.get("failed_by_code"), output.get("failed_by_code") or ())
    if not isinstance(summary.get("rows_digest"), str):
        raise ValueError("it has no text named 'rows_digest'")
    for times in stages.values() if isinstance(stages, dict) else [None]:
        if not isinstance(times, dict) or not all(
            isinstance(times.get(name), (int, float)) for name in ("wall_seconds", "cpu_seconds")
        ):
            raise ValueError("its 'stages' have no times")
    _check_lists(summary)
    return summary


def _check_lists(summary: Mapping[str, Any]) -> None:
    """Check `left_out` and `same_content`, which not all summaries have."""
    left_out: Any = summary.get("left_out", {})
    if not isinstance(left_out, dict):
        raise ValueError("its 'left_out' has no reasons")
    for entry in left_out.values():
        check_counts(entry, ("count",))
        examples = entry.get("examples")
        if not isinstance(examples, list) or not all(isinstance(each, str) for each in examples):
            raise ValueError("its 'left_out' has no examples")
    if (same_content := summary.get("same_content")) is not None:
        check_counts(same_content, ("images", "groups"))
        largest = same_content.get("largest")
        if not isinstance(largest, list):
            raise ValueError("its 'same_content' has no groups")
        for group in largest:
            check_counts(group, ("images",))
            if not isinstance(group.get("digest"), str):
                raise ValueError("its 'same_content' has no digests")


_COUNTS = (
    *("requested", "labelled", "failed", "already_done", "duplicates"),
    *("already_labelled", "already_failed", "rows"),
)
"""Numbers that a summary must have."""
