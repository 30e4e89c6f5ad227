"""Which run an output belongs to: the latest. What an earlier one left at work must not write."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from imagebeam.outputs.layout import Layout, write_whole


class SupersededError(RuntimeError):
    """A later run has taken the output over."""


@dataclass(frozen=True)
class RunToken:
    """One run of a job, whose workers may outlive the process that started them.

    Attributes:
        layout: of the output.
        id: no two runs have the same.
        place: where its work is done, in the words of whoever brought it there; empty where the
            work ends with the process.
    """

    layout: Layout
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    place: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def latest(layout: Layout) -> "RunToken | None":
        """The run that the output belongs to; None where nothing says so."""
        try:
            values = json.loads(layout.run.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return RunToken(layout, values["id"], values["place"])

    @staticmethod
    def at_work_elsewhere(layout: Layout) -> Mapping[str, str]:
        """Where the latest run may still be at work; empty if it has ended or ends with us."""
        latest = RunToken.latest(layout)
        return {} if latest is None or layout.summary.exists() else latest.place

    def claim(self) -> None:
        """Make the output this run's."""
        values = {"id": self.id, "place": dict(self.place)}
        write_whole(self.layout.run, (json.dumps(values, indent=2) + "\n").encode())

    def check(self) -> None:
        """See that the output is still this run's.

        Raises:
            SupersededError: it is not.
        """
        latest = RunToken.latest(self.layout)
        if latest is None or latest.id != self.id:
            raise SupersededError(f"{self.layout.root}: a later run has taken it over")

    def at(self, place: Mapping[str, str]) -> "RunToken":
        """The same run, with word of where its work is done."""
        return replace(self, place=place)
