from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.transforms import userstate
from apache_beam.transforms.userstate import SetStateSpec, TimerSpec, on_timer

from imagebeam.beam_pipeline.runners.quick_specs import quick_specs

_STATE = SetStateSpec("seen", beam.coders.StrUtf8Coder())
_SEEN = beam.DoFn.StateParam(_STATE)
_TIMER = TimerSpec("end", beam.TimeDomain.WATERMARK)
_END = beam.DoFn.TimerParam(_TIMER)


class _PlainFn(beam.DoFn):
    def process(self, element: int, factor: int = 2) -> Iterator[int]:
        yield element * factor


class _StatefulFn(_PlainFn):
    def process(
        self, element: Any, seen: Any = _SEEN, more: int = 3, end: Any = _END
    ) -> Iterator[int]:
        yield from ()

    @on_timer(_TIMER)
    def end(self) -> Iterator[int]:
        yield from ()


def _nothing(element: Any) -> Iterator[int]:
    yield from ()


class _HidingFn(_StatefulFn):
    """Its first method is hidden if it is told so."""

    def __init__(self, hidden: bool) -> None:
        if hidden:
            self.__dict__["process"] = _nothing


class _BorrowingFn(beam.DoFn):
    """Its method is that of another step."""

    def __init__(self, process: Any) -> None:
        self.__dict__["process"] = process


_STEPS = (
    _PlainFn(),
    _StatefulFn(),
    _HidingFn(True),
    _HidingFn(False),
    _BorrowingFn(_PlainFn().process),
    _BorrowingFn(_StatefulFn().process),
)


def _found() -> list[Any]:
    return [userstate.get_dofn_specs(step) for step in _STEPS]


def test_what_is_remembered_is_what_beam_finds() -> None:
    found = _found()
    assert found == [
        (set(), set()),
        ({_STATE}, {_TIMER}),
        (set(), set()),
        ({_STATE}, {_TIMER}),
        (set(), set()),
        ({_STATE}, {_TIMER}),
    ]
    with quick_specs():
        assert _found() == found
        assert _found() == found
        assert [userstate.is_stateful_dofn(step) for step in _STEPS] == [False, True] * 3


def test_what_one_does_with_an_answer_does_not_reach_the_next() -> None:
    with quick_specs():
        for found in userstate.get_dofn_specs(_StatefulFn()):
            found.clear()
        assert userstate.get_dofn_specs(_StatefulFn()) == ({_STATE}, {_TIMER})


def test_a_kind_of_step_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = userstate.get_dofn_specs

    def counted(step: Any) -> Any:
        looks.append(step)
        return look(step)

    monkeypatch.setattr(userstate, "get_dofn_specs", counted)
    with quick_specs():
        for _ in range(3):
            userstate.get_dofn_specs(_PlainFn())
    assert len(looks) == 1


def test_beam_looks_for_itself_again_afterwards() -> None:
    look = userstate.get_dofn_specs
    with quick_specs():
        assert userstate.get_dofn_specs is not look
    assert userstate.get_dofn_specs is look
    with pytest.raises(RuntimeError), quick_specs():
        raise RuntimeError
    assert userstate.get_dofn_specs is look
