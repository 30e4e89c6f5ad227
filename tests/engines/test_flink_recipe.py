"""Run the recipe of the documentation on a real Flink."""

import json
import shutil
from pathlib import Path

import pytest

from imagebeam.samples import ARCHIVE
from tests.docs.pages import run_page
from tests.engines.flink import Flink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_flink_recipe_runs(tmp_path: Path, flink: Flink) -> None:
    shutil.copytree(ARCHIVE / "kitchen", tmp_path / "shared" / "photos")
    [environment] = [each for each in flink.options() if each.startswith("--environment_config=")]
    replaced = {
        "/mnt/shared": str(tmp_path / "shared"),
        "flink:8081": flink.rest,
        "flink:8099": flink.job_endpoint,
        # The test has no pool of workers beside each task manager.
        "--environment_type=EXTERNAL": "--environment_type=PROCESS",
        "--environment_config=localhost:50000": f"'{environment}'",
    }
    assert json.loads(environment.partition("=")[2])
    run_page("recipes/flink.md", tmp_path, replaced)
