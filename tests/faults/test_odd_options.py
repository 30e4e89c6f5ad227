"""Odd options and odd environments: a part of all cases, which a seed chooses.

`python -m tests.faults.odd_options` and `python -m tests.faults.odd_environments` try all.
"""

import random
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.cli.command_parser import COMMANDS
from tests.beam_pipeline.every_command import Paths, label_some
from tests.faults import odd_environments, odd_options
from tests.faults.odd_values import FOLDER, make_odd_files

_SEED = 0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an output and its images."""
    label_some(folder := tmp_path_factory.mktemp("odd"))
    return folder


def test_every_command_is_tried_with_odd_words() -> None:
    assert {command for command, _ in odd_options.FORMS.values()} == set(COMMANDS)


def test_odd_words_are_taken_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_odd_files(tmp_path / FOLDER)
    (images := tmp_path / "in").mkdir()
    at = Paths(images, tmp_path / "true.csv", tmp_path / "out", tmp_path / "new")
    (images / "a.jpg").touch()
    before = sorted(tmp_path.rglob("*"))
    refusals = {
        case: refusal
        for case in random.Random(_SEED).sample(list(odd_options.cases()), 2_000)
        if (refusal := odd_options.refusal(case, at))
    }
    assert [case for case, refusal in refusals.items() if refusal[-1] not in ".?"] == []
    assert len(refusals) > 500
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_odd_options_end_in_a_result_or_a_message(tmp_path: Path, base: Path) -> None:
    faults = {}
    for number, case in enumerate(odd_options.sample(1, _SEED)):
        outcome = odd_options.attempt(base, case, tmp_path / str(number))
        if outcome.fault:
            faults[case] = outcome.fault
    assert faults == {}


@pytest.mark.slow
def test_odd_environments_change_no_exit_code(tmp_path: Path, base: Path) -> None:
    usual, faults = {}, {}
    for number, case in enumerate(odd_environments.sample(12, _SEED)):
        command, folder = case.command, tmp_path / str(number)
        if command not in usual:
            first = odd_environments.Case(command, odd_environments.USUAL)
            usual[command] = odd_environments.attempt(base, first, folder / "usual").code
        outcome = odd_environments.attempt(base, case, folder / "odd")
        if fault := odd_environments.fault_of(case, outcome, usual[command]):
            faults[case] = fault
    assert faults == {}
