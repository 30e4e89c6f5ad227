"""One real Flink for all tests of a session, and what any runner should make of the images."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from imagebeam.samples import ARCHIVE
from tests.beam_pipeline.jobs import imagebeam
from tests.conftest import BUCKET
from tests.engines.dataflow import Dataflow
from tests.engines.flink import Flink
from tests.engines.jobs import EVERYTHING, SHARDS


@pytest.fixture(scope="session")
def inputs(reference: Path) -> tuple[Path, ...]:
    """The sample archive, with broken files in it, and photographs."""
    return (ARCHIVE, reference / "photos")


@pytest.fixture(scope="session")
def clean(inputs: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of Beam's DirectRunner that nothing disturbs."""
    output = tmp_path_factory.mktemp("clean") / "out"
    assert imagebeam("label", *inputs, "--output", output, *EVERYTHING, *SHARDS) == 0
    return output


@pytest.fixture(scope="session")
def long_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that take long enough for somebody to interfere."""
    folder = tmp_path_factory.mktemp("long")
    picture = folder / "0000.png"
    Image.effect_noise((375, 375), 64).convert("RGB").resize((3000, 3000)).save(picture)
    for number in range(1, 80):
        (folder / f"{number:04d}.png").hardlink_to(picture)
    return folder


@pytest.fixture(scope="session")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    """A standalone cluster with two task managers, and Beam's job server."""
    flink = Flink(tmp_path_factory.mktemp("flink"))
    try:
        flink.start(task_managers=2)
        yield flink
    finally:
        flink.stop()


@pytest.fixture(scope="session")
def dataflow_service(
    gcs_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dataflow]:
    """A service that speaks Dataflow's protocol, with a store behind it."""
    service = Dataflow(tmp_path_factory.mktemp("dataflow"), gcs_server, BUCKET)
    yield service
    service.stop()


@pytest.fixture
def dataflow(
    dataflow_service: Dataflow, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dataflow]:
    """The same without the jobs of other tests, and somebody whom it lets in."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(dataflow_service.key()))
    yield dataflow_service
    dataflow_service.reset()
