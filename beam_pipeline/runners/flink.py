"""Flink: find its address, and check that it accepts jobs."""

import ipaddress
import os
import shutil
from typing import Any, cast
from urllib.parse import urlsplit

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    WorkerOptions,
)

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners import rest

_EMBEDDED = ("[local]", "[auto]")


def master(options: PipelineOptions) -> str | None:
    """Return `http://host:port`; None if no cluster is named and Beam starts Flink itself."""
    address = options.view_as(FlinkRunnerOptions).flink_master.strip()
    if address in _EMBEDDED:
        return None
    return cast(str, address if "://" in address else f"http://{address}")


def is_local_host(address: str) -> bool:
    """Return whether an address is one of loopback."""
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_java(options: PipelineOptions) -> None:
    """Raise UsageError if Beam cannot start its job server here."""
    if options.view_as(FlinkRunnerOptions).flink_submit_uber_jar:
        return
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(f"{home}/bin/java" if home else "java"):
        raise UsageError(
            "--runner=FlinkRunner: Java is not installed, which Beam needs for its job server. "
            "Install Java 11 or newer, or name a running job server by --job_endpoint."
        )


def check(address: str, options: PipelineOptions) -> None:
    """Check that a cluster responds, is supported, has workers, and can get the package.

    Raises:
        UsageError: it does not, or cannot.
    """
    version = str(_asked(address, "config").get("flink-version", ""))
    minor = ".".join(version.split(".")[:2])
    supported = FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    if minor not in supported:
        raise UsageError(
            f"--flink_master={address}: runs Flink {version or 'of an unknown version'}, which "
            f"this version of Beam does not support. Use Flink {', '.join(supported)}."
        )
    flink = options.view_as(FlinkRunnerOptions)
    # The job server must have the version of the cluster; by default Beam uses the newest.
    flink.flink_version = minor
    if not _asked(address, "overview").get("taskmanagers"):
        raise UsageError(
            f"--flink_master={address}: this Flink has no task manager. Start one and try again."
        )
    _check_package_arrives(address, options)


def _asked(address: str, path: str) -> dict[str, Any]:
    """Return a response of Flink's REST interface."""
    try:
        return rest.call(f"{address}/{path}")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--flink_master={address}: no Flink responds there ({rest.reason(error)}). Check that "
            "it runs, and give HOST:PORT of its REST interface, such as localhost:8081."
        ) from error


def _check_package_arrives(address: str, options: PipelineOptions) -> None:
    """Check that task managers find the package, which they read from where it is staged."""
    is_staged_here = not (
        options.view_as(PortableOptions).job_endpoint
        or options.view_as(WorkerOptions).sdk_container_image
        or options.view_as(JobServerOptions).artifacts_dir
        or options.view_as(FlinkRunnerOptions).flink_submit_uber_jar
    )
    loops_back = options.view_as(PortableOptions).environment_type == "LOOPBACK"
    if is_staged_here and not loops_back and not is_local_host(address):
        raise UsageError(
            f"--flink_master={address}: its task managers could not read the package for the "
            "workers, because Beam's job server keeps it in a temporary folder of this machine. "
            "Name an image that holds the package (--sdk_container_image), or a bucket or folder "
            "that they can read (--artifacts_dir)."
        )
