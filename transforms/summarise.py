"""ShardReport → the account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from results.account import Plan, Tally, summarise, write_summary
from results.layout import Layout


@dataclass
class Summarise(beam.PTransform):
    """Adds up all reports, holds them against the plan and writes `summary.json`, last of all.

    An account that does not add up fails the job. Shuffles reports, a few dozen bytes each.

    Attributes:
        plan: PCollection of the one Plan.
        layout: of the output.
        provenance: what the summary says of the job besides its numbers.
    """

    plan: Any
    layout: Layout
    provenance: Mapping[str, Any]

    def expand(self, reports: Any) -> Any:
        """PCollection of ShardReport → PCollection of the one summary, a dict."""
        return (
            reports
            | "Tally" >> beam.Map(lambda report: report.tally)
            | "Add up" >> beam.CombineGlobally(Tally.total)
            | "Close"
            >> beam.Map(_close, beam.pvalue.AsSingleton(self.plan), self.layout, self.provenance)
        )


def _close(
    tally: Tally, plan: Plan, layout: Layout, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    summary = summarise(plan, tally, provenance)
    write_summary(layout, summary)
    return summary
