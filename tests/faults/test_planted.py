"""Each kind of file in place of a third of the files of an output; the commands take turns.

`python -m tests.faults.planted` runs every command on every one of them.
"""

from pathlib import Path

import pytest

from tests.faults.planted import COMMANDS, PLANTS, Outputs, attempt, cases, make_outputs


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return make_outputs(tmp_path_factory.mktemp("planted"))


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTS)
def test_no_command_fails_otherwise_than_with_a_message(
    tmp_path: Path, outputs: Outputs, plant: str
) -> None:
    first, faults = list(PLANTS).index(plant), []
    for number, case in enumerate(case for case in cases(outputs) if case.plant == plant):
        if (first + number) % 3:
            continue
        command = COMMANDS[(first + 5 * number) % len(COMMANDS)]
        (folder := tmp_path / str(number)).mkdir()
        [outcome] = attempt(outputs, case, (command,), folder)
        if outcome.fault:
            faults.append((case.name, command, outcome.fault))
    assert faults == []
