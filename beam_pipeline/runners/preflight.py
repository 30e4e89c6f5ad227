"""Where a job is to run, and whether somebody is there: asked before anything is begun."""

import ipaddress
import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from typing import Any, cast
from urllib.parse import urlsplit

from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    StandardOptions,
)

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners import dataflow

_ANSWER_SECONDS = 10.0
_EMBEDDED = ("[local]", "[auto]")
_EMBEDDED_JOB_SERVER = "embed"


def runner_name(options: PipelineOptions) -> str:
    """`direct`, `flink`, `portable`, `prism`, `dataflow`, …: as Beam calls it, without `Runner`."""
    name = options.view_as(StandardOptions).runner or "DirectRunner"
    return str(name).rpartition(".")[2].lower().removesuffix("runner")


def is_direct(options: PipelineOptions) -> bool:
    """Whether Beam runs the job in this process."""
    return runner_name(options) == "direct"


def runs_in_other_processes(options: PipelineOptions) -> bool:
    """Whether workers are started that hold nothing but what is shipped to them."""
    if runner_name(options) == "direct":
        return False
    return not _loops_back(options)


def sees_this_disk(options: PipelineOptions) -> bool:
    """Whether workers find local files under the names that they have here."""
    if not runs_in_other_processes(options):
        return True
    portable = options.view_as(PortableOptions)
    # Without a type it is Docker's: a container has a disk of its own, even here.
    if portable.environment_type not in ("PROCESS", "EXTERNAL"):
        return False
    if runner_name(options) == "flink" and not portable.job_endpoint:
        master = flink_master(options)
        return master is None or _is_here(master)
    return runner_name(options) in ("flink", "portable", "prism") and (
        not portable.job_endpoint or _is_here(portable.job_endpoint)
    )


def cores_of_a_worker(options: PipelineOptions) -> int:
    """How many cores a worker process has, as far as that can be told before there is one."""
    cores = os.cpu_count() or 1
    if runner_name(options) == "dataflow":
        # It starts one a core.
        return 1
    direct = options.view_as(DirectOptions)
    if is_direct(options) and direct.direct_running_mode == "multi_processing":
        # Beam's 0 stands for one a core.
        return max(1, cores // (direct.direct_num_workers or cores))
    # Workers elsewhere are taken for machines like this one.
    return cores


def check(options: PipelineOptions) -> None:
    """See that what is to run the job answers and fits; takes seconds.

    Raises:
        UsageError: it does not.
    """
    portable = options.view_as(PortableOptions)
    name = runner_name(options)
    if portable.job_endpoint and portable.job_endpoint != _EMBEDDED_JOB_SERVER:
        _check_job_server(portable.job_endpoint)
    elif name == "portable" and not portable.job_endpoint:
        raise UsageError(
            "--runner=PortableRunner: it needs a job server. Give its --job_endpoint=HOST:PORT."
        )
    elif name == "flink":
        _check_java(options)
    elif name == "prism":
        _check_prism(options)
    elif name == "dataflow":
        dataflow.check(options)
    if name == "flink" and (master := flink_master(options)) is not None:
        _check_flink(master, options)


def check_detachable(options: PipelineOptions) -> None:
    """See that the job goes on without the process that submits it.

    Raises:
        UsageError: it would not.
    """
    stays = (
        runner_name(options) == "dataflow"
        or options.view_as(PortableOptions).job_endpoint not in (None, _EMBEDDED_JOB_SERVER)
        or options.view_as(FlinkRunnerOptions).flink_submit_uber_jar
    )
    if not stays or not runs_in_other_processes(options):
        raise UsageError(
            "--detach: the job would end with this process. Give it to a job server that stays, "
            "by --job_endpoint=HOST:PORT."
        )


def _loops_back(options: PipelineOptions) -> bool:
    """Whether workers are threads of the submitting process that an engine sends its work to."""
    portable = options.view_as(PortableOptions)
    if portable.environment_type:
        return bool(portable.environment_type == "LOOPBACK")
    match runner_name(options):
        case "prism":
            return True
        case "flink":
            return flink_master(options) is None
        case _:
            return bool(portable.job_endpoint == _EMBEDDED_JOB_SERVER)


def flink_master(options: PipelineOptions) -> str | None:
    """`http://host:port`; None where no cluster is named: Beam starts a Flink of its own."""
    master = options.view_as(FlinkRunnerOptions).flink_master.strip()
    if master in _EMBEDDED:
        return None
    return cast(str, master if "://" in master else f"http://{master}")


def _is_here(address: str) -> bool:
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_job_server(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--job_endpoint={endpoint}: give HOST:PORT, such as localhost:8099.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"--job_endpoint={endpoint}: no job server answers there ({_reason(error)}). Start "
            "Beam's job server, or correct the address."
        ) from error


def _check_java(options: PipelineOptions) -> None:
    if options.view_as(FlinkRunnerOptions).flink_submit_uber_jar:
        return
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(f"{home}/bin/java" if home else "java"):
        raise UsageError(
            "--runner=FlinkRunner: Beam starts its job server with Java, which is not installed "
            "here. Install Java 11 or newer, or name a running job server by --job_endpoint."
        )


def _check_prism(options: PipelineOptions) -> None:
    location = options.view_as(PrismRunnerOptions).prism_location
    if location and "://" not in location and not os.path.isfile(location):
        raise UsageError(
            f"--prism_location={location}: no such file. Build it with `go install "
            "github.com/apache/beam/sdks/v2/go/cmd/prism@latest`, or leave the option out: Beam "
            "then fetches it."
        )


def _check_flink(master: str, options: PipelineOptions) -> None:
    version = str(_asked(master, "config").get("flink-version", ""))
    minor = ".".join(version.split(".")[:2])
    supported = FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    if minor not in supported:
        raise UsageError(
            f"--flink_master={master}: runs Flink {version or 'of an unknown version'}, which this "
            f"version of Beam does not know. It knows {', '.join(supported)}."
        )
    flink = options.view_as(FlinkRunnerOptions)
    # The job server has to be of the cluster's version; Beam's default is its newest.
    flink.flink_version = minor
    if not int(_asked(master, "overview").get("taskmanagers", 0)):
        raise UsageError(
            f"--flink_master={master}: this Flink has no task manager. Start one and try again."
        )


def _asked(master: str, what: str) -> dict[str, Any]:
    """What Flink's REST interface says."""
    try:
        with urllib.request.urlopen(f"{master}/{what}", timeout=_ANSWER_SECONDS) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--flink_master={master}: no Flink answers there ({_reason(error)}). Give HOST:PORT "
            "of its REST interface, such as localhost:8081, and see that it runs."
        ) from error


def _reason(error: Exception) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(inner, "strerror", None) or inner)
