from importlib.util import find_spec

import pytest

from imagebeam.beam_pipeline.doctor.finding import FindingState
from imagebeam.beam_pipeline.doctor.versions import check_versions, pillow_fault


@pytest.mark.parametrize("version", ["12.1.1", "12.3.0"])
def test_a_pillow_with_known_problems_is_reported(version: str) -> None:
    fault = pillow_fault(version)
    assert fault is not None
    assert fault.startswith(
        f"Pillow {version}: its decoders have vulnerabilities that 13.0.0 fixes"
    )
    assert "GHSA-8g5g-8vmr-9782, GHSA-5x8w-8jj5-q52h" in fault
    assert fault.endswith("pip install --no-deps pillow==13.0.0.")


@pytest.mark.parametrize("version", ["13.0.0", "13.1.0", "20.0.0"])
def test_a_pillow_without_known_problems_passes(version: str) -> None:
    assert pillow_fault(version) is None


def test_all_versions_are_in_one_line() -> None:
    found = next(check_versions())
    assert found.state is FindingState.OK
    tensorflow = ["TensorFlow"] if find_spec("tensorflow") else []
    names = ["imagebeam", "Python", "Beam", "LiteRT", *tensorflow, "Pillow", "PyArrow"]
    assert list(found.facts) == names
    assert found.message == ", ".join(f"{name} {found.facts[name]}" for name in names)
