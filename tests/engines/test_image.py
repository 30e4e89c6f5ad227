"""Test the image, built for real: its contents, and a Flink job that it submits and runs."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from imagebeam.samples import ARCHIVE
from imagebeam.transforms.worker_versions import installed_versions
from tests.beam_pipeline.jobs import ROOT, imagebeam, parts
from tests.engines.containers import Container, built
from tests.engines.flink import Flink
from tests.engines.jobs import EVERYTHING, SHARDS
from tests.engines.tools import TOOLS, is_free, listens, wait_until, workers_below
from tests.faults.jobs import assert_same_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_POOL_PORT = 50000
_USER = 1000


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    with built("worker") as container:
        yield container


def test_it_does_not_run_as_root_and_starts_beams_boot(container: Container) -> None:
    assert container.config["User"] == "1000:1000"
    assert container.run("id", "-u") == str(_USER)
    assert container.config["Entrypoint"] == ["/opt/apache/beam/boot"]
    boot = container.root / "opt" / "apache" / "beam" / "boot"
    assert boot.read_bytes() == (TOOLS / "bin" / "container").read_bytes()


def test_it_is_small(container: Container, capsys: pytest.CaptureFixture[str]) -> None:
    opt = container.root / "opt"
    megabytes = sum(path.lstat().st_blocks for path in opt.rglob("*")) * 512 // 1_000_000
    with capsys.disabled():
        print(f"\nthe image adds {megabytes} MB to its base", end=" ")
    assert megabytes < 600
    packages = {path.name for path in opt.glob("imagebeam/lib/*/site-packages/*")}
    assert "ai_edge_litert" in packages
    assert not {"tensorflow", "tests", "benchmarks"} & packages


def test_it_contains_the_versions_of_the_submitter(container: Container) -> None:
    code = "from imagebeam.transforms import worker_versions as w; print(w.installed_versions())"
    assert container.run("python", "-c", code) == str(installed_versions())


@pytest.fixture
def _pool_port() -> Iterator[None]:
    """Keep the port of a worker pool, which is fixed, from connections that may have any port."""
    reserved = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
    before = reserved.read_text()
    ports = filter(None, (before.strip(), str(_POOL_PORT)))
    # In some containers, this setting cannot be changed.
    with suppress(OSError):
        reserved.write_text(",".join(ports))
    try:
        wait_until(lambda: is_free(_POOL_PORT), f"port {_POOL_PORT} to be free")
        yield
    finally:
        with suppress(OSError):
            reserved.write_text(before)


@pytest.mark.usefixtures("_pool_port")
def test_it_submits_and_runs_a_flink_job(
    tmp_path: Path, reference: Path, flink: Flink, container: Container
) -> None:
    photos, here, there = tmp_path / "photos", tmp_path / "here", tmp_path / "there"
    shutil.copytree(ARCHIVE, photos / "archive")
    shutil.copytree(reference / "photos", photos / "reference")
    assert imagebeam("label", photos, "--output", here, *EVERYTHING, *SHARDS) == 0
    there.mkdir()
    os.chown(there, _USER, _USER)
    volumes = (f"{photos}:{photos}:ro", f"{there}:{there}")
    job = (
        *("imagebeam", "label", photos, "--output", there, *EVERYTHING, *SHARDS, *flink.options()),
        *("--environment_type=EXTERNAL", f"--environment_config=localhost:{_POOL_PORT}"),
        # The pool serves one task manager, as it does in a pod.
        *("--parallelism=1", "--sdk_container_image=imagebeam", "--module", "demo"),
        # The workers are looked at, however soon the job ends.
        "--environment_cache_millis=60000",
    )
    with container.started("--worker_pool", volumes=volumes, log=tmp_path / "pool.log") as pool:
        wait_until(lambda: listens(_POOL_PORT), "the worker pool does not listen")
        with ThreadPoolExecutor() as aside:
            submitter = aside.submit(container.run, *map(str, job), volumes=volumes)
            wait_until(lambda: submitter.done() or parts(there) > 0, "the first shard")
            workers = workers_below(pool)
            assert workers
            for worker in workers:
                assert worker.uids().real == _USER
                root = Path(f"/proc/{worker.pid}/root")
                assert (root / "opt" / "imagebeam").exists()
                assert not (root / ROOT.relative_to("/")).exists()
            submitter.result()
    assert_same_rows(there, here)
