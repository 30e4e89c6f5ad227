"""ShardReport → the account."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from imagebeam.images.stage_times import StageTimes
from imagebeam.outputs.account import Plan, Tally, summarise, write_summary
from imagebeam.outputs.layout import Layout, temporaries
from imagebeam.outputs.run_token import RunToken
from imagebeam.storage import location
from imagebeam.transforms.elements import ShardReport
from imagebeam.transforms.skip_done import finished_parts

_FOUND, _REPORTED, _PRESENT = "found", "reported", "present"


@dataclass
class Summarise(beam.PTransform):
    """Adds up all reports, holds them against the plan and writes `summary.json`, last of all.

    An account that does not add up fails the job. Before that, files are removed that neither
    stood in the output when this run looked nor were reported to it: a worker that was taken for
    dead wrote them, and their images have rows elsewhere. Shuffles reports and names of files, a
    few dozen bytes each.

    Attributes:
        plan: PCollection of the one Plan.
        found: PCollection of the (file, outcome) that stood in the output before.
        run: whose output it is.
        provenance: what the summary says of the job besides its numbers.
        before: what was spent before the pipeline.
    """

    plan: Any
    found: Any
    run: RunToken
    provenance: Mapping[str, Any]
    before: StageTimes = field(default_factory=dict)

    def expand(self, reports: Any) -> Any:
        """PCollection of ShardReport → PCollection of the one summary, a dict."""
        layout = self.run.layout
        tally = (
            reports | "Tally" >> beam.Map(_tally) | "Add up" >> beam.CombineGlobally(Tally.total)
        )
        names = {
            _FOUND: self.found | "Found" >> beam.MapTuple(_name),
            _REPORTED: reports | "Reported" >> beam.FlatMap(_parts, layout),
            _PRESENT: tally | "Present" >> beam.FlatMap(_present, self.run),
        }
        strays = (
            names
            | "Compare" >> beam.CoGroupByKey()
            | "Remove strays" >> beam.MapTuple(_remove_stray)
            | "Count strays" >> beam.CombineGlobally(sum)
        )
        return tally | "Close" >> beam.Map(
            _close,
            beam.pvalue.AsSingleton(strays),
            beam.pvalue.AsSingleton(self.plan),
            layout,
            self.provenance,
            self.before,
        )


# Named: the text of a lambda would travel with the file name that it has here.
def _tally(report: ShardReport) -> Tally:
    return report.tally


def _name(part: str, _outcome: Any) -> tuple[str, None]:
    return part, None


def _parts(report: Any, layout: Layout) -> Iterable[tuple[str, None]]:
    yield str(layout.prediction_part(report.id)), None
    yield str(layout.error_part(report.id)), None


def _present(_tally: Tally, run: RunToken) -> Iterable[tuple[str, None]]:
    """The files that stand in the output once all reports are in."""
    run.check()
    # A worker that was killed leaves what it was in the middle of writing.
    for folder in (run.layout.predictions, run.layout.errors):
        for leftover in temporaries(folder):
            leftover.unlink(missing_ok=True)
    for part, _ in finished_parts(run.layout):
        yield part, None


def _remove_stray(part: str, group: Mapping[str, Iterable[None]]) -> int:
    if list(group[_FOUND]) or list(group[_REPORTED]):
        return 0
    location(part).unlink(missing_ok=True)
    return 1


def _close(
    tally: Tally,
    _strays: int,
    plan: Plan,
    layout: Layout,
    provenance: Mapping[str, Any],
    before: StageTimes,
) -> dict[str, Any]:
    summary = summarise(plan, tally, provenance, before)
    write_summary(layout, summary)
    return summary
