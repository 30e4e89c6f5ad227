"""Test the lineage that a whole job leaves in the metrics of its run.

Prism's results carry no bounded tries, which is what Beam keeps lineage in.
"""

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.metrics.metric import Lineage
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagebeam.beam_pipeline.job import plan
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.pipeline import build
from imagebeam.outputs import identity
from imagebeam.outputs.files import write_whole
from imagebeam.outputs.summary import read_summary
from imagebeam.samples import MODULE
from imagebeam.storage import location, store_for
from tests.beam_pipeline.jobs import archive
from tests.beam_pipeline.test_remote import tarred
from tests.storage.web import Site, stored


def _lineage(inputs: tuple[object, ...], output: str) -> tuple[set[str], set[str]]:
    """Run a job; return the names of its sources and of its sinks."""
    options = LabelOptions(
        tuple(map(str, inputs)),
        location(output),
        module=str(MODULE),
        allow_private_hosts=True,
    )
    prepared = plan(options)
    job = prepared.job
    identity.claim(job.layout, prepared.identity, overwrite=False)
    job.run.claim()
    write_whole(job.module.path, prepared.packed_module)
    pipeline = beam.Pipeline(FnApiRunner(), options=prepared.pipeline_options)
    build(pipeline, job)
    result = pipeline.run()
    result.wait_until_finish()
    assert read_summary(job.layout)["labelled"] == 8
    found = result.metrics()
    return Lineage.query(found, Lineage.SOURCE), Lineage.query(found, Lineage.SINK)


@pytest.mark.slow
def test_a_job_reports_its_inputs_and_its_output(tmp_path: Path, s3_bucket: str) -> None:
    names = archive(tmp_path / "in", 2)
    pictures = {Path(name).name: Path(name).read_bytes() for name in names}
    (tmp_path / "a.tar").write_bytes(tarred(pictures))
    for name, data in pictures.items():
        store_for(s3_bucket).write(f"{s3_bucket}/lineage/in/{name}", data)
    output = f"{s3_bucket}/lineage/labels"
    with Site().running() as web:
        web.add("/a.tar", stored(tarred(pictures)))
        inputs = (tmp_path / "in", tmp_path / "a.tar", f"{s3_bucket}/lineage/in/")
        sources, sinks = _lineage((*inputs, web.url("/a.tar")), output)
        place = f"127.0.0.1:{web.port}"
    bucket = s3_bucket.removeprefix("s3://")
    assert sources == {
        f"filesystem:localhost.{tmp_path}/in",
        f"filesystem:localhost.{tmp_path}/a.tar",
        f"s3:{bucket}.lineage/in",
        f"http:{place}.a.tar",
    }
    assert sinks == {f"s3:{bucket}.lineage/labels"}
