import pytest

from imagebeam.errors import RAISE_UNEXPECTED
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def defects_fail_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAISE_UNEXPECTED, "1")


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_valid(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_damage_ends_in_rows(name: str) -> None:
    for number in range(TARGETS[name].fast):
        TARGETS[name].run(number)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_much_damage_ends_in_rows(name: str) -> None:
    for number in range(TARGETS[name].fast, TARGETS[name].slow):
        TARGETS[name].run(number)
