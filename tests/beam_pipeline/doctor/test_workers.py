import pytest

from imagebeam import resources
from imagebeam.beam_pipeline.doctor.finding import Finding
from imagebeam.beam_pipeline.doctor.workers import runner, workers
from imagebeam.beam_pipeline.runners.beam_options import pipeline_options

_DATAFLOW = "--runner=DataflowRunner"


def _workers(*arguments: str) -> Finding:
    return workers(pipeline_options(arguments))


@pytest.mark.parametrize("argument", ["--runner=DirectRunner", "--runner=PrismRunner"])
def test_workers_in_this_environment_are_described(argument: str) -> None:
    assert _workers(argument).message == "they run in this environment"


def test_workers_that_receive_the_package_are_described() -> None:
    found = _workers(_DATAFLOW)
    assert found.state.value == "ok"
    assert found.message.startswith("they receive the package as a wheel, and need Python ")


def test_beams_own_image_contains_no_package() -> None:
    image = "--sdk_container_image=apache/beam_python3.10_sdk:2.76.0"
    found = _workers(_DATAFLOW, image)
    assert found.state.value == "failure"
    assert (
        "Beam's own image, with Python 3.10 and Beam 2.76.0, does not contain imagebeam"
        in found.message
    )


def test_an_image_with_unknown_contents_is_a_warning() -> None:
    found = _workers(_DATAFLOW, "--sdk_container_image=registry.example/ours:1")
    assert found.state.value == "warning"
    assert "registry.example/ours:1: its contents are unknown here" in found.message
    assert "docker run --rm --entrypoint python registry.example/ours:1 -c" in found.message


@pytest.mark.parametrize(
    ("arguments", "description"),
    [
        (("--runner=PrismRunner",), "prism can be started"),
        (("--runner=FlinkRunner", "--flink_master=f:1"), "flink answers at http://f:1"),
        (("--runner=PortableRunner", "--job_endpoint=j:2"), "portable answers at j:2"),
    ],
)
def test_the_runner_is_described(arguments: tuple[str, ...], description: str) -> None:
    assert runner(pipeline_options(arguments)).message == description


def test_a_local_runner_is_described_with_the_cores_that_it_may_use() -> None:
    available = resources.available()
    message = runner(pipeline_options(("--direct_num_workers=3",))).message
    assert message.startswith(f"this machine, {available.cores} core")
    assert f", at most {available.decode_processes()} decoding process" in message
    assert message.endswith(", 3 workers, multi_threading")
    assert runner(pipeline_options(())).message.endswith(", 1 worker, in_memory")
