"""One real Flink for all tests of a session, and the output that every runner should write."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from imagebeam.samples import ARCHIVE
from tests.beam_pipeline.jobs import imagebeam
from tests.engines.dataflow import Dataflow
from tests.engines.flink import Flink
from tests.engines.jobs import EVERYTHING, SHARDS
from tests.storage.servers import BUCKET


@pytest.fixture(scope="session")
def inputs(reference: Path) -> tuple[Path, ...]:
    """Return the sample archive with some broken files, and photographs."""
    return (ARCHIVE, reference / "photos")


@pytest.fixture(scope="session")
def clean(inputs: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output of an undisturbed run on Beam's DirectRunner."""
    output = tmp_path_factory.mktemp("clean") / "out"
    assert imagebeam("label", *inputs, "--output", output, *EVERYTHING, *SHARDS) == 0
    return output


@pytest.fixture(scope="session")
def long_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures that take long enough for a test to interfere."""
    folder = tmp_path_factory.mktemp("long")
    picture = folder / "0000.png"
    Image.effect_noise((375, 375), 64).convert("RGB").resize((3000, 3000)).save(picture)
    for number in range(1, 80):
        (folder / f"{number:04d}.png").hardlink_to(picture)
    return folder


@pytest.fixture(scope="session")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    """Run a standalone cluster with two task managers, and Beam's job server."""
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
    """Run a service that speaks Dataflow's protocol, with a store behind it."""
    service = Dataflow(tmp_path_factory.mktemp("dataflow"), gcs_server, BUCKET)
    yield service
    service.stop()


@pytest.fixture
def dataflow(
    dataflow_service: Dataflow, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dataflow]:
    """Return the service without the jobs of other tests, with accepted credentials."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(dataflow_service.key()))
    yield dataflow_service
    dataflow_service.reset()
