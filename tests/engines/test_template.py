"""Test the Flex Template, launched as by Google's launcher, with a service that runs its job."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from tests.beam_pipeline.jobs import ROOT, archive
from tests.engines.dataflow import PROJECT, REGION, Dataflow
from tests.engines.tools import wait_until
from tests.faults.jobs import assert_same_rows, label

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_JOB = "2026-01-01_00_00_00-1"
_IMAGE = "registry.example/imagebeam:1"


def test_a_launched_template_submits_a_job_to_the_service(
    tmp_path: Path, dataflow: Dataflow
) -> None:
    pictures, clean, output = tmp_path / "my pictures", tmp_path / "clean", tmp_path / "out"
    archive(pictures, 4, rubbish=2)
    assert label(pictures, "--output", clean, "--emit", "labels,features") == 0
    place = f"gs://pictures/staging/template_launches/{_JOB}/job_object"
    _launch(
        *(f"--inputs='{pictures}'", f"--output={output}", "--emit=labels,features"),
        *(*dataflow.options(), "--job_name=pictures", f"--template_location={place}"),
        "--staging_location=gs://pictures/staging",
        '--labels={"goog-dataflow-provided-template-type": "flex"}',
        "--shared-disk",
    )
    assert dataflow.jobs == {}
    run = RunToken.latest(Layout(output))
    assert run is not None
    jobs = f"{dataflow.url}/v1b3/projects/{PROJECT}/locations/{REGION}/jobs"
    assert run.remote_handle == {"dataflow": f"{jobs}/{_JOB}", "job": "pictures"}
    body = json.loads(dataflow.staged(place))
    assert body["labels"] == {"goog-dataflow-provided-template-type": "flex"}
    dataflow.submit(body)
    wait_until((output / "summary.json").exists, "the summary of the job")
    assert_same_rows(output, clean)


def test_a_named_image_is_used_for_the_workers(tmp_path: Path, dataflow: Dataflow) -> None:
    archive(tmp_path / "in", 1)
    place = f"gs://pictures/staging/template_launches/{_JOB}/job_object"
    _launch(
        *(f"--inputs={tmp_path / 'in'}", f"--output={tmp_path / 'out'}", "--shared-disk"),
        *(*dataflow.options(), f"--template_location={place}", f"--sdk_container_image={_IMAGE}"),
    )
    [pool] = json.loads(dataflow.staged(place))["environment"]["workerPools"]
    assert pool["workerHarnessContainerImage"] == _IMAGE
    assert "packages" not in pool


def _launch(*parameters: str) -> None:
    launch = ROOT / "deploy" / "dataflow" / "launch.py"
    completed = subprocess.run(
        [sys.executable, launch, *parameters], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
