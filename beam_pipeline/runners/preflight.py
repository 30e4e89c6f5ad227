"""Check before a job starts that its runner responds and fits."""

import os
import socket

import grpc
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    StandardOptions,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners import dataflow, flink, rest

_CONNECT_SECONDS = 10.0
_EMBEDDED_JOB_SERVER = "embed"
_ONE_PROCESS = "no_use_multiple_sdk_containers"


def runner_name(options: PipelineOptions) -> str:
    """Return Beam's name of the runner without `Runner`: `direct`, `flink`, `dataflow`, …."""
    name = options.view_as(StandardOptions).runner or "DirectRunner"
    return str(name).rpartition(".")[2].lower().removesuffix("runner")


def is_direct(options: PipelineOptions) -> bool:
    """Return whether Beam runs the job in this process."""
    return runner_name(options) == "direct"


def runs_in_other_processes(options: PipelineOptions) -> bool:
    """Return whether workers are other processes, which need our package."""
    if runner_name(options) == "direct":
        return False
    return not _loops_back(options)


def sees_this_disk(options: PipelineOptions) -> bool:
    """Return whether workers find local files under the same paths as this process."""
    if not runs_in_other_processes(options):
        return True
    portable = options.view_as(PortableOptions)
    # The default type is Docker: a container has a disk of its own, even on this machine.
    if portable.environment_type not in ("PROCESS", "EXTERNAL"):
        return False
    if runner_name(options) == "flink" and not portable.job_endpoint:
        master = flink.master(options)
        return master is None or flink.is_local_host(master)
    return runner_name(options) in ("flink", "portable", "prism") and (
        not portable.job_endpoint or flink.is_local_host(portable.job_endpoint)
    )


def cores_of_a_worker(options: PipelineOptions, cores: int) -> int | None:
    """Return the cores per worker process; None for all that the worker may use.

    Args:
        options: those of Beam.
        cores: the number of cores that this process may use.
    """
    if runner_name(options) == "dataflow":
        # Dataflow starts one worker process per core unless an experiment asks for one in all.
        experiments = options.view_as(DebugOptions).experiments or ()
        return None if _ONE_PROCESS in experiments else 1
    direct = options.view_as(DirectOptions)
    if is_direct(options) and direct.direct_running_mode == "multi_processing":
        # For Beam, 0 means one worker per core.
        return max(1, cores // (direct.direct_num_workers or cores))
    return None


def check(options: PipelineOptions) -> None:
    """Raise UsageError unless the runner responds and can run the job; takes seconds."""
    portable = options.view_as(PortableOptions)
    name = runner_name(options)
    if portable.job_endpoint and portable.job_endpoint != _EMBEDDED_JOB_SERVER:
        _check_job_server(portable.job_endpoint)
    elif name == "portable" and not portable.job_endpoint:
        raise UsageError(
            "--runner=PortableRunner: the job server is missing. Add --job_endpoint=HOST:PORT."
        )
    elif name == "flink":
        flink.check_java(options)
    elif name == "prism":
        _check_prism(options)
    elif name == "dataflow":
        dataflow.check(options)
    if name == "flink" and (master := flink.master(options)) is not None:
        flink.check(master, options)


def check_detachable(options: PipelineOptions) -> None:
    """Raise UsageError if the job would end with the process that submits it."""
    stays = (
        runner_name(options) == "dataflow"
        or options.view_as(PortableOptions).job_endpoint not in (None, _EMBEDDED_JOB_SERVER)
        or options.view_as(FlinkRunnerOptions).flink_submit_uber_jar
    )
    if not stays or not runs_in_other_processes(options):
        raise UsageError(
            "--detach: the job would end with this process. Submit it to a job server that keeps "
            "running: --job_endpoint=HOST:PORT."
        )


def _loops_back(options: PipelineOptions) -> bool:
    """Return whether the engine sends its work back to threads of the submitting process."""
    portable = options.view_as(PortableOptions)
    if portable.environment_type:
        return bool(portable.environment_type == "LOOPBACK")
    match runner_name(options):
        case "prism":
            return True
        case "flink":
            return flink.master(options) is None
        case _:
            return bool(portable.job_endpoint == _EMBEDDED_JOB_SERVER)


def _check_job_server(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit() or "://" in host:
        raise UsageError(f"--job_endpoint={endpoint}: give HOST:PORT, such as localhost:8099.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"--job_endpoint={endpoint}: no job server responds there ({rest.reason(error)}). "
            "Start Beam's job server, or correct the address."
        ) from error
    # Beam would wait for the answer of any other server for as long as a job may take.
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        request = beam_job_api_pb2.DescribePipelineOptionsRequest()
        try:
            service.DescribePipelineOptions(request, timeout=_CONNECT_SECONDS)
        except grpc.RpcError as error:
            raise UsageError(
                f"--job_endpoint={endpoint}: another server responds there, which is no job server "
                f"of Beam ({error.code().name}). Give the address of its --job-port, which is 8099 "
                "by default."
            ) from error


def _check_prism(options: PipelineOptions) -> None:
    location = options.view_as(PrismRunnerOptions).prism_location
    if location and "://" not in location and not os.path.isfile(location):
        raise UsageError(
            f"--prism_location={location}: no such file. Build it with `go install "
            "github.com/apache/beam/sdks/v2/go/cmd/prism@latest`, or omit the option so that Beam "
            "downloads it."
        )
