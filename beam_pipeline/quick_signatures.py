"""Lets Beam look at a function's signature once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam.transforms import core

_Signature = tuple[list[str], list[Any]]


@contextmanager
def quick_signatures() -> Iterator[None]:
    """Remember the arguments and defaults of what Beam asks about.

    To know whether a step has state, it looks at every method of every step each time that the
    step is made, checked, translated and loaded: 15,000 times in one of our jobs, a third of what
    it takes to build a pipeline and to run it on nothing.
    """
    look = core.get_function_args_defaults
    core.get_function_args_defaults = _remembering(look)
    try:
        yield
    finally:
        core.get_function_args_defaults = look


def _remembering(look: Callable[[Any], _Signature]) -> Callable[[Any], _Signature]:
    functions: WeakKeyDictionary[FunctionType, _Signature] = WeakKeyDictionary()
    methods: WeakKeyDictionary[FunctionType, _Signature] = WeakKeyDictionary()

    def remembered(asked: Any) -> _Signature:
        match asked:
            case FunctionType():
                known, function = functions, asked
            # One of a class takes the same as one of an instance: all but what it is bound to.
            case MethodType(__func__=FunctionType() as function):
                known = methods
            case _:
                return look(asked)
        if function not in known:
            known[function] = look(asked)
        names, defaults = known[function]
        return [*names], [*defaults]

    return remembered
