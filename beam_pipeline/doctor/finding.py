"""What a check is, and what it finds."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Protocol


class FindingState(str, Enum):
    """How things stand."""

    OK = "ok"
    WARNING = "warning"
    """The job would run; somebody should know."""
    FAILURE = "failure"
    """The job would not run, or end with a code other than 0."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        about: what was looked at.
        state: how it stands.
        message: what was seen; unless all is well with value, reason and cure.
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
        """The record that `to_json` wrote."""
        return cls(**{**values, "state": FindingState(values["state"])})


class Check(Protocol):
    """Something to look at. It can be pickled, and touches nothing before it is run."""

    @property
    def about(self) -> str:
        """What is looked at."""

    def run(self) -> Iterator[Finding]:
        """Look.

        Raises:
            ValueError: one of ours: the failure that the check is there for.
        """
