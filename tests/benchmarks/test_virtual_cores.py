import pytest

from benchmarks.virtual_cores import share


@pytest.mark.slow
def test_the_orchestration_keeps_sixteen_cores_busy() -> None:
    # All waits are long, so a slow machine changes little. It was 0.95 when it was written.
    assert share(16, images_per_core=600, scale=20.0) > 0.8
