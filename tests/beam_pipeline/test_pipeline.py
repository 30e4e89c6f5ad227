from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagebeam.beam_pipeline.pipeline import Job, build
from imagebeam.beam_pipeline.runners.beam_internals import local_runner
from imagebeam.images.listing import inputs
from imagebeam.images.settings import DecodeLimits, Preprocessing
from imagebeam.modules.open_module import open_module
from imagebeam.outputs import identity
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.samples import MODULE
from imagebeam.transforms.module_loader import METRICS_NAMESPACE
from tests.beam_pipeline.jobs import archive, predictions
from tests.beam_pipeline.sample_job import sample_job


def test_threads_of_a_worker_share_one_module(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 24)
    layout = Layout(tmp_path / "out")
    identity.claim(layout, {}, overwrite=False)
    run = RunToken(layout)
    run.claim()
    module = open_module(str(MODULE))
    job = Job(
        sources=inputs.sources([str(tmp_path / "in")]),
        run=run,
        images_per_shard=2,
        preprocessing=Preprocessing(module.info.image_size),
        decode_processes=2,
        decode_limits=DecodeLimits(),
        module=module,
        schema=PredictionSchema(("labels",), 1, module.info.class_names, {}),
        provenance={},
    )
    options = PipelineOptions(direct_num_workers=3, direct_running_mode="multi_threading")
    pipeline = beam.Pipeline(local_runner(), options=options)
    build(pipeline, job)
    result = pipeline.run()
    result.wait_until_finish()
    metrics = result.metrics().query(MetricsFilter().with_namespace(METRICS_NAMESPACE))
    values = {each.key.metric.name: each.committed for each in metrics["distributions"]}
    assert values["load_model_latency_milli_secs"].count == 1
    # One inference per shard: 12 neighbours make shards of two.
    assert values["inference_batch_latency_micro_secs"].count == 12
    assert [row["uri"] for row in predictions(tmp_path / "out")] == names


def test_the_stages_are_named_after_the_flow(tmp_path: Path) -> None:
    job = sample_job(tmp_path, ())
    pipeline = beam.Pipeline(FnApiRunner())
    build(pipeline, job)
    assert [part.full_label for part in pipeline.transforms_stack[0].parts] == [
        "ListImages",
        "SkipDone",
        "PlanShards",
        "DecodeImages",
        "RunModule",
        "WriteShards",
        "Summarise",
    ]
