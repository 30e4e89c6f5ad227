"""Find out from the graph what each of several outputs of a function is.

The result of a softmax or sigmoids is scores, what they take is logits, and the vector that the
last dense layer multiplies is features, as is the end of a pooling. Each format of modules shows
its graph as steps back from a tensor.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass

from imagebeam.modules.output_kinds import FEATURES, LOGITS, SCORES
from imagebeam.modules.probes import PERCENT, POOLING, SIGMOID, SOFTMAX

FORM, SCORING, BIAS, DENSE = "form", "scoring", "bias", "dense"
"""The roles of operations: a change of form, a softmax or sigmoid, an addition of a constant, and a
layer with weights."""

Step = tuple[str, Hashable]
"""The role of the operation that computes a tensor, and the tensor that it takes."""


@dataclass(frozen=True)
class SeenOutput:
    """An output as the graph shows it.

    Attributes:
        tensor: what it holds, before changes of form.
        end: how the network ends before it, see `probes`; None if that is not known.
    """

    tensor: Hashable
    end: str | None


@dataclass(frozen=True)
class SeenOutputs:
    """The outputs of a function, by name, and the way back from a tensor of its graph."""

    by_name: Mapping[str, SeenOutput]
    step_back: Callable[[Hashable], Step | None]

    def kinds(self, usable: Collection[str]) -> dict[str, str]:
        """Return the output of each kind; empty if it is unclear for one of them.

        "logits" may hold something else if no scores are computed from it.

        Args:
            usable: the names of the outputs that count.
        """
        if not {*usable} <= {*self.by_name}:
            return {}
        seen = {name: self.by_name[name] for name in usable}
        tensors = {name: self._before(FORM, each.tensor) for name, each in seen.items()}
        scored = {self._scored(each) for each in tensors.values()} - {None}
        vectors = {self._vector(each) for each in (*tensors.values(), *scored)} - {None}
        found: dict[str, str] = {}
        for name, each in seen.items():
            if tensors[name] in scored:
                kind = LOGITS
            elif each.end in (SOFTMAX, SIGMOID, PERCENT):
                kind = SCORES
            elif each.end == POOLING or tensors[name] in vectors:
                kind = FEATURES
            else:
                kind = LOGITS
            if kind in found:
                return {}
            found[kind] = name
        if {LOGITS, SCORES} <= {*found} and tensors[found[LOGITS]] not in scored:
            return {}
        return found

    def words(self, name: str) -> str:
        """Return how the network ends before an output, for messages; empty if not known."""
        return _ENDS.get(self.by_name[name].end or "", "") if name in self.by_name else ""

    def _before(self, role: str, tensor: Hashable) -> Hashable:
        """Return the tensor from which operations of one role make this one."""
        while (step := self.step_back(tensor)) is not None and step[0] == role:
            tensor = step[1]
        return tensor

    def _scored(self, tensor: Hashable) -> Hashable | None:
        step = self.step_back(tensor)
        return self._before(FORM, step[1]) if step is not None and step[0] == SCORING else None

    def _vector(self, tensor: Hashable) -> Hashable | None:
        step = self.step_back(self._before(BIAS, tensor))
        return self._before(FORM, step[1]) if step is not None and step[0] == DENSE else None


_ENDS = {
    SOFTMAX: "the end of a softmax",
    SIGMOID: "the end of sigmoids",
    PERCENT: "percentages",
    POOLING: "the end of a pooling or an activation",
}

NOTHING_SEEN = SeenOutputs({}, lambda tensor: None)
"""The outputs of a graph that cannot be read."""
