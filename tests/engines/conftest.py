"""One real Flink for all tests of a session, and what any runner should make of the images."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from samples import ARCHIVE
from tests.beam_pipeline.jobs import imagebeam
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
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    """A standalone cluster with two task managers, and Beam's job server."""
    flink = Flink(tmp_path_factory.mktemp("flink"))
    try:
        flink.start(task_managers=2)
        yield flink
    finally:
        flink.stop()
