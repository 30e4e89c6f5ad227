"""Lets Beam look for the state and timers of a kind of step once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from apache_beam.transforms import userstate

_Specs = tuple[set[userstate.StateSpec], set[userstate.TimerSpec]]


@contextmanager
def quick_specs() -> Iterator[None]:
    """Remember which state and timer specs the methods of a step ask for.

    To know them, Beam looks at the signature of every method of every step each time that the
    step is made, checked, translated and loaded: 15,000 times in one of our jobs, a third of what
    it takes to build a pipeline and to run it on nothing.
    """
    look = userstate.get_dofn_specs
    userstate.get_dofn_specs = _remembering(look)
    try:
        yield
    finally:
        userstate.get_dofn_specs = look


def _remembering(look: Callable[[Any], _Specs]) -> Callable[[Any], _Specs]:
    known: dict[tuple[type, frozenset[str]], _Specs] = {}

    def remembered(step: Any) -> _Specs:
        own = vars(step)
        # Methods belong to the class, unless a step has some of its own.
        if any(isinstance(value, MethodType) for value in own.values()):
            return look(step)
        # An attribute of its own may hide a method.
        kind = (type(step), frozenset(own))
        if kind not in known:
            known[kind] = look(step)
        states, timers = known[kind]
        return {*states}, {*timers}

    return remembered
