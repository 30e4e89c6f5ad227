"""Builds deploy/Dockerfile with buildah, without a registry or a daemon, and runs what is in it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.beam_pipeline.jobs import ROOT
from tests.engines.tools import TOOLS, tool

_INSTALLING = ("/etc/ssl/certs", "/etc/pip.conf")
"""How this machine reaches a package index; images are built the same way anywhere else."""


class Container:
    """A root file system made of an image, as its own user and environment see it.

    Attributes:
        root: where this machine sees it.
        config: what the image says of itself: `User`, `Entrypoint`, `Env` …
    """

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self._name = name
        self.config = config
        self.root = Path(_buildah("mount", name))

    def run(self, *command: str, volumes: tuple[str, ...] = ()) -> str:
        """Standard output of a command in it."""
        return _buildah("run", *_mounts(volumes), self._name, "--", *command)

    @contextmanager
    def started(
        self, *arguments: str, volumes: tuple[str, ...], log: Path
    ) -> Iterator[psutil.Process]:
        """Its entry point, at work beside us; whatever it started ends with the block."""
        command = (*_mounts(volumes), self._name, "--", *self.config["Entrypoint"], *arguments)
        with log.open("wb") as output:
            process = psutil.Popen(
                [*_command(), "run", *command], stdout=output, stderr=output, env=_environment()
            )
        try:
            yield process
        finally:
            family = [process, *process.children(recursive=True)]
            for each in family:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            psutil.wait_procs(family)


@contextmanager
def built(target: str) -> Iterator[Container]:
    """A container of one target of deploy/Dockerfile; both are removed at the end."""
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("an image is built by root, with buildah; run `make tools`")
    tool("containers")
    mounts = _mounts(tuple(f"{path}:{path}:ro" for path in _INSTALLING if Path(path).exists()))
    image = f"imagebeam-{target}"
    before = _containers()
    try:
        _buildah(
            *("build", "--pull-never", "--network=host", *mounts, f"--target={target}"),
            *("--file", str(ROOT / "deploy" / "Dockerfile"), "--tag", image, str(ROOT)),
        )
        name = _buildah("from", "--pull-never", image)
        config = json.loads(_buildah("inspect", image))["OCIv1"]["config"]
        yield Container(name, config)
    finally:
        # Buildah leaves that of a stage without steps, and all of a build that failed.
        _buildah("rm", *(_containers() - before))
        _buildah("rmi", image)


def _containers() -> set[str]:
    return set(_buildah("containers", "--quiet").split())


def _mounts(volumes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"--volume={volume}" for volume in volumes)


def _command() -> tuple[str, ...]:
    return ("buildah", "--root", str(TOOLS / "containers" / "storage"))


def _environment() -> dict[str, str]:
    # There is no kernel's or daemon's help to be had inside of other containers.
    return os.environ | {"BUILDAH_ISOLATION": "chroot"}


def _buildah(*arguments: str) -> str:
    done = subprocess.run(
        [*_command(), *arguments], env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"buildah {arguments[0]}: {done.stdout}\n{done.stderr}")
    return done.stdout.strip()
