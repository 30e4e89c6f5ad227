"""ShardReport → the summary."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.typehints.decorators import no_annotations

from imagebeam.images.stage_times import StageTimes
from imagebeam.outputs.account import Plan, Tally
from imagebeam.outputs.files import temporaries
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import error_counts
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.same_content import SameContent
from imagebeam.outputs.summary import summarise, write_summary
from imagebeam.storage import location
from imagebeam.transforms.count_same_content import CountSameContent
from imagebeam.transforms.elements import ShardReport
from imagebeam.transforms.skip_done import finished_parts

_EARLIER, _REPORTED, _PRESENT = "earlier", "reported", "present"


@dataclass
class Summarise(beam.PTransform):
    """Adds up all reports, compares them with the plan and writes `summary.json` last.

    Counts that do not add up fail the job. Before that, files are removed that neither existed
    before this run nor were reported to it: a worker that the runner gave up on wrote them, and
    another worker has written rows for their images. Shuffles reports and file names, a few dozen
    bytes each.

    Attributes:
        run: the run that owns the output.
        provenance: facts about the job for the summary.
        startup_times: spent before the pipeline started.
        digest: name of the column with the digests of images; None if there is none.
    """

    run: RunToken
    provenance: Mapping[str, Any]
    startup_times: StageTimes = field(default_factory=dict)
    digest: str | None = None

    @no_annotations  # Beam takes hints only from a single PCollection.
    def expand(
        self,
        inputs: tuple[
            beam.PCollection[ShardReport], beam.PCollection[Plan], beam.PCollection[tuple[str, str]]
        ],
    ) -> beam.PCollection[dict[str, Any]]:
        """Summarise the reports, given the one `Plan` and the (file, outcome) of earlier runs."""
        reports, plan, earlier_parts = inputs
        layout = self.run.layout
        tally = (
            reports
            | "TallyShards" >> beam.Map(_tally)
            | "AddUpShards" >> beam.CombineGlobally(Tally.total)
        )
        files = {
            _EARLIER: earlier_parts | "EarlierFiles" >> beam.MapTuple(_file_name),
            _REPORTED: reports | "ReportedFiles" >> beam.FlatMap(_reported_files, layout),
            _PRESENT: tally | "PresentFiles" >> beam.FlatMap(_present_files, self.run),
        }
        compared = files | "CompareFiles" >> beam.CoGroupByKey()
        stray_count = (
            compared
            | "RemoveStrayFiles" >> beam.MapTuple(_remove_stray)
            | "CountStrayFiles" >> beam.CombineGlobally(sum)
        )
        same_content = None
        if self.digest is not None:
            written = compared | "WrittenFiles" >> beam.FlatMapTuple(_written)
            same_content = beam.pvalue.AsSingleton(written | CountSameContent(self.digest))
        return tally | "WriteSummary" >> beam.Map(
            _write_summary,
            beam.pvalue.AsSingleton(stray_count),
            beam.pvalue.AsSingleton(plan),
            layout,
            {**self.provenance, "run_id": self.run.id},
            self.startup_times,
            same_content,
        )


# Named functions: the pickle of a lambda would contain the file name that it has here.
def _tally(report: ShardReport) -> Tally:
    return report.tally


def _file_name(part: str, _outcome: str) -> tuple[str, None]:
    return part, None


def _reported_files(report: ShardReport, layout: Layout) -> Iterable[tuple[str, None]]:
    yield str(layout.prediction_part(report.id)), None
    yield str(layout.error_part(report.id)), None


def _present_files(_tally: Tally, run: RunToken) -> Iterable[tuple[str, None]]:
    """Yield the files in the output; depends on the tally so that it runs after all shards."""
    run.check()
    # A worker that was killed leaves temporary files behind.
    for folder in (run.layout.predictions, run.layout.errors):
        for leftover in temporaries(folder):
            leftover.unlink(missing_ok=True)
    for part, _ in finished_parts(run.layout):
        yield part, None


def _remove_stray(part: str, group: Mapping[str, Iterable[None]]) -> int:
    if list(group[_EARLIER]) or list(group[_REPORTED]):
        return 0
    location(part).unlink(missing_ok=True)
    return 1


def _written(part: str, group: Mapping[str, Iterable[None]]) -> Iterable[str]:
    """Yield the file if it is there and no stray one."""
    if list(group[_PRESENT]) and (list(group[_EARLIER]) or list(group[_REPORTED])):
        yield part


def _write_summary(
    tally: Tally,
    _stray_count: int,
    plan: Plan,
    layout: Layout,
    provenance: Mapping[str, Any],
    startup_times: StageTimes,
    same_content: SameContent | None,
) -> dict[str, Any]:
    of_this_run = tally.labelled + sum(tally.failed.values())
    failed_in_output = None if plan.rows == of_this_run else error_counts(layout)
    summary = summarise(plan, tally, provenance, startup_times, failed_in_output, same_content)
    write_summary(layout, summary)
    return summary
