"""The run that an output belongs to: the latest. Workers of earlier runs must not write to it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from imagebeam.outputs.documents import read_document, write_document
from imagebeam.outputs.layout import Layout


class SupersededError(RuntimeError):
    """A later run has taken over the output."""


@dataclass(frozen=True)
class RunToken:
    """One run of a job, whose workers may outlive the process that started them.

    Attributes:
        id: unique to the run.
        remote_handle: where the work is done, such as the address of a cluster and the id of the
            job there; empty where the work ends with the process.
    """

    layout: Layout
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    remote_handle: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def latest(layout: Layout) -> "RunToken | None":
        """Return the run that the output belongs to; None where none is recorded."""
        try:
            values = read_document(layout.run)
            # Earlier versions wrote `place`.
            run_id, handle = values["id"], values.get("remote_handle", values.get("place"))
        except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError):
            return None
        if not isinstance(run_id, str) or not isinstance(handle, dict):
            return None
        return RunToken(layout, run_id, {str(key): str(value) for key, value in handle.items()})

    @staticmethod
    def unfinished_remote(layout: Layout) -> Mapping[str, str]:
        """Return where the latest run may still be working; empty if that is not elsewhere."""
        latest = RunToken.latest(layout)
        return {} if latest is None or layout.summary.exists() else latest.remote_handle

    def claim(self) -> None:
        """Make the output this run's."""
        values = {"id": self.id, "remote_handle": dict(self.remote_handle)}
        write_document(self.layout.run, values)

    def check(self) -> None:
        """Raise SupersededError if a later run has taken over the output."""
        latest = RunToken.latest(self.layout)
        if latest is None or latest.id != self.id:
            raise SupersededError(f"{self.layout.root}: a later run has taken it over")

    def at(self, remote_handle: Mapping[str, str]) -> "RunToken":
        """Return the same run, with a note of where its work is done."""
        return replace(self, remote_handle=remote_handle)
