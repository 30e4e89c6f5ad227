"""Build deploy/Dockerfile with buildah, without a registry or a daemon, and run its images."""

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
"""The files with which this machine reaches a package index; other machines need none."""


class Container:
    """The root file system of an image, with the user and the environment of the image.

    Attributes:
        root: where this machine sees it.
        config: the configuration of the image: `User`, `Entrypoint`, `Env` …
    """

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self._name = name
        self.config = config
        self.root = Path(_buildah("mount", name))

    def run(self, *command: str, volumes: tuple[str, ...] = ()) -> str:
        """Return the standard output of a command in it."""
        return _buildah("run", *_mounts(volumes), self._name, "--", *command)

    @contextmanager
    def started(
        self, *arguments: str, volumes: tuple[str, ...], log: Path
    ) -> Iterator[psutil.Process]:
        """Run its entry point in the background; all its processes end with the block."""
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
    """Build a container from one target of deploy/Dockerfile; remove both at the end."""
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
        # Buildah leaves the container of a stage without steps, and all of a failed build.
        _buildah("rm", *(_containers() - before))
        _buildah("rmi", image)


def _containers() -> set[str]:
    return set(_buildah("containers", "--quiet").split())


def _mounts(volumes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"--volume={volume}" for volume in volumes)


def _command() -> tuple[str, ...]:
    return ("buildah", "--root", str(TOOLS / "containers" / "storage"))


def _environment() -> dict[str, str]:
    # Inside other containers, neither the kernel nor a daemon helps.
    return os.environ | {"BUILDAH_ISOLATION": "chroot"}


def _buildah(*arguments: str) -> str:
    done = subprocess.run(
        [*_command(), *arguments], env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"buildah {arguments[0]}: {done.stdout}\n{done.stderr}")
    return done.stdout.strip()
