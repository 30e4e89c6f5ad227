"""Describe the state of a job from its output alone."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

import pyarrow as pa

from imagebeam.outputs import lock
from imagebeam.outputs.account import Plan
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.identity import read
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress, ProgressWatcher, error_counts
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.summary import read_summary
from imagebeam.storage import AnyPath

State = Literal["complete", "running", "detached", "stopped"]

_RUN = ("requested", "duplicates", "already_done", "labelled", "failed", "failed_by_code")
"""The fields of a summary that describe its run."""

SILENT_SECONDS = 1800.0
"""Seconds without activity after which a job is reported as silent."""


@dataclass(frozen=True)
class Status:
    """State of the job of an output.

    Attributes:
        state: complete; running in a process of this machine; detached, that is, running on a
            cluster; stopped otherwise.
        compacting: True while a compaction runs, False if one was killed, else None.
        remote_handle: where a detached job is.
        progress: the progress of an incomplete job: the rows of all runs.
        began: when labelling began, in seconds since the epoch; None while images are listed.
        last_part: when the latest part was finished, in the same unit; None if none is.
        silent_seconds: since the last activity.
    """

    layout: Layout
    state: State
    compacting: bool | None
    remote_handle: Mapping[str, str]
    summary: Mapping[str, Any] | None
    progress: Progress
    began: float | None
    last_part: float | None
    silent_seconds: float

    @property
    def plan(self) -> Plan | None:
        """Return what the latest run has to do; None while it is listing."""
        return self.progress.plan

    @property
    def done(self) -> int:
        """Return how many of the images that the latest run has to do have a row."""
        if self.summary is not None:
            return int(self.summary["labelled"] + self.summary["failed"])
        # The plan knows how many rows of all runs there will be at the end.
        missing = 0 if self.plan is None else self.plan.rows - self.progress.done
        return 0 if self.plan is None else max(self.plan.to_do - missing, 0)

    @property
    def images_per_second(self) -> float | None:
        """Return the rate from the start of labelling to the latest part; None if there is none."""
        if not self.done or self.began is None or self.last_part is None:
            return None
        return self.done / max(self.last_part - self.began, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """Return the time left at that rate; None where that is not known or nothing runs."""
        if self.summary is not None:
            return 0.0
        at_work = self.state in ("running", "detached")
        if self.plan is None or not at_work or not (rate := self.images_per_second):
            return None
        return max(self.plan.to_do - self.done, 0) / rate

    def as_json(self) -> dict[str, Any]:
        """Return the same as JSON values; of a complete job, without those that do not apply."""
        failed = dict(sorted(self.progress.failed.items()))
        rate, left = self.images_per_second, self.seconds_left
        values = {
            "output": str(self.layout.root),
            "state": self.state,
            "compacting": self.compacting,
            "remote_handle": dict(self.remote_handle),
            "silent_seconds": round(self.silent_seconds, 3),
            "last_part": None if self.last_part is None else _iso(self.last_part),
            **self._run_as_json(),
            "labelled": self.progress.labelled,
            "failed_by_code": failed,
            "rows": {
                "all": self.progress.done,
                "labelled": self.progress.labelled,
                "failed": sum(failed.values()),
                "failed_by_code": failed,
            },
            "images_per_second": None if rate is None else round(rate, 3),
            "seconds_left": None if left is None else round(left, 3),
            "summary": self.summary,
        }
        if self.summary is None:
            return values
        return {name: value for name, value in values.items() if value is not None}

    def _run_as_json(self) -> dict[str, Any]:
        """Return what the latest run has to do and has done."""
        if (summary := self.summary) is not None:
            counts = {"requested": summary["requested"], "to_do": self.done, "done": self.done}
            run = {name: summary[name] for name in _RUN}
            return {"phase": "complete", "listed": summary["requested"], **counts, "run": run}
        if (plan := self.plan) is None:
            counts = {"requested": None, "to_do": None, "done": 0}
            return {"phase": "listing", "listed": self.progress.listed, **counts, "run": None}
        counts = {"requested": plan.requested, "to_do": plan.to_do, "done": self.done}
        already_done = plan.already_labelled + plan.already_failed
        run = {**counts, "duplicates": plan.duplicates, "already_done": already_done}
        return {"phase": "labelling", "listed": plan.requested, **counts, "run": run}


def status(root: AnyPath, clock: Callable[[], float] = time.time) -> Status:
    """Describe the state of an output.

    Every part of an incomplete job is opened; of a complete one, only the errors of earlier runs.

    Raises:
        OutputError: the folder is not an output, or is damaged.
    """
    layout, _ = read(root)
    held = lock.is_held(layout)
    remote_handle = RunToken.unfinished_remote(layout)
    try:
        summary = _summary(layout)
        progress = (
            ProgressWatcher(layout, and_earlier=True).look()
            if summary is None
            else _final_progress(layout, summary)
        )
    except (ValueError, LookupError, TypeError, DamagedPartError, pa.ArrowException) as error:
        raise OutputError(
            f"{root}: something in it is damaged ({error}). Run `imagebeam verify {root}` to see "
            "what."
        ) from error
    stats = [stat for found in layout.part_stats().values() for stat in found.values()]
    last_part = max((stat.st_mtime for stat in stats), default=None)
    signs = _times((layout.identity, layout.run, layout.plan, layout.summary))
    return Status(
        layout=layout,
        state=_state(summary, held, remote_handle),
        compacting=held if layout.compaction.exists() else None,
        remote_handle=remote_handle,
        summary=summary,
        progress=progress,
        began=next(_times((layout.plan,)), None),
        last_part=last_part,
        silent_seconds=max(clock() - max(last_part or 0.0, *signs), 0.0),
    )


def _state(
    summary: Mapping[str, Any] | None, held: bool, remote_handle: Mapping[str, str]
) -> State:
    if summary is not None:
        return "complete"
    if held:
        return "running"
    return "detached" if remote_handle else "stopped"


def _summary(layout: Layout) -> dict[str, Any] | None:
    try:
        return read_summary(layout)
    except FileNotFoundError:
        return None


def _final_progress(layout: Layout, summary: Mapping[str, Any]) -> Progress:
    """Return the rows of a complete output by its summary.

    Earlier versions did not count the failures of all runs: then the error files are opened.
    """
    if (output := summary.get("output")) is not None:
        return Progress(None, output["labelled"], output["failed_by_code"])
    failed = summary["failed_by_code"]
    rows = summary["rows"]
    if rows != summary["labelled"] + summary["failed"]:
        failed = error_counts(layout)
    return Progress(None, rows - sum(failed.values()), failed)


def _times(paths: Iterable[AnyPath]) -> Iterator[float]:
    """Yield when files were last written, in seconds since the epoch; skip missing ones."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path.stat().st_mtime


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
