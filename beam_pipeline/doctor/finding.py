"""The types of checks and of their findings."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, NamedTuple


class FindingState(str, Enum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """The job would run, with a risk that the user should know."""
    FAILURE = "failure"
    """The job would not run, or end with a code other than 0."""


@dataclass(frozen=True)
class Finding:
    """One line of doctor's output.

    Attributes:
        about: the subject of the check.
        state: the result.
        message: what was found; for problems the value, the reason and the fix.
        facts: the same for programs, as JSON values.
    """

    about: str
    state: FindingState
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """This record as JSON values."""
        return {**asdict(self), "state": self.state.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Finding":
        """Return the record that `to_json` wrote."""
        return cls(**{**values, "state": FindingState(values["state"])})


class Check(NamedTuple):
    """A check.

    Attributes:
        about: its subject.
        run: yields its findings, or raises the problem as an `ImagebeamError`; can be pickled.
    """

    about: str
    run: Callable[[], Iterator[Finding]]
