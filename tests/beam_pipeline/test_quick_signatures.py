from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.transforms import core
from apache_beam.transforms.userstate import SetStateSpec, get_dofn_specs, on_timer

from beam_pipeline.quick_signatures import quick_signatures

_STATE = SetStateSpec("seen", beam.coders.StrUtf8Coder())
_SEEN = beam.DoFn.StateParam(_STATE)
_TIMER = beam.transforms.userstate.TimerSpec("end", beam.TimeDomain.WATERMARK)


class _PlainFn(beam.DoFn):
    def process(self, element: int, factor: int = 2) -> Iterator[int]:
        yield element * factor


class _StatefulFn(_PlainFn):
    def process(self, element: Any, seen: Any = _SEEN, more: int = 3) -> Iterator[int]:
        yield from ()

    @on_timer(_TIMER)
    def end(self) -> Iterator[int]:
        yield from ()


def _looked_at() -> list[Any]:
    return [
        core.get_function_args_defaults(each)
        for each in (
            _PlainFn.process,
            _PlainFn().process,
            _StatefulFn.process,
            _StatefulFn().process,
            _StatefulFn().end,
            lambda first, second=2: None,
            lambda other: None,
            str.strip,
            "text".upper,
            dict,
        )
    ]


def test_what_is_remembered_is_what_beam_finds() -> None:
    found = _looked_at()
    with quick_signatures():
        assert _looked_at() == found
        assert _looked_at() == found
        assert get_dofn_specs(_PlainFn()) == (set(), set())
        for _ in range(2):
            states, _ = get_dofn_specs(_StatefulFn())
            assert states == {_STATE}


def test_what_one_does_with_an_answer_does_not_reach_the_next() -> None:
    with quick_signatures():
        names, defaults = core.get_function_args_defaults(_PlainFn.process)
        names.clear()
        defaults.clear()
        assert core.get_function_args_defaults(_PlainFn.process) == (
            ["self", "element", "factor"],
            [2],
        )


def test_a_signature_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = core.get_function_args_defaults

    def counted(asked: Any) -> Any:
        looks.append(asked)
        return look(asked)

    monkeypatch.setattr(core, "get_function_args_defaults", counted)
    with quick_signatures():
        for _ in range(3):
            core.get_function_args_defaults(_PlainFn().process)
    assert len(looks) == 1


def test_beam_looks_for_itself_again_afterwards() -> None:
    look = core.get_function_args_defaults
    with quick_signatures():
        assert core.get_function_args_defaults is not look
    assert core.get_function_args_defaults is look
    with pytest.raises(RuntimeError), quick_signatures():
        raise RuntimeError
    assert core.get_function_args_defaults is look
