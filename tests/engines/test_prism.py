"""Test Prism with a named image: its workers are this process, which has the package."""

from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive
from tests.engines.tools import tool
from tests.faults.jobs import Job

pytestmark = pytest.mark.slow


def test_workers_with_the_package_run_the_job(tmp_path: Path) -> None:
    archive(tmp_path / "in", 4)
    prism = ("--runner=PrismRunner", f"--prism_location={tool('bin/prism')}")
    image = "--sdk_container_image=with-it"
    job = Job(tmp_path / "in", "--output", tmp_path / "out", *prism, image)
    assert job.finish()[0] == 0
    assert verify(tmp_path / "out") == []
