"""Find, monitor and cancel jobs that run on a cluster."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import grpc
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from google.api_core.exceptions import NotFound

from imagebeam.beam_pipeline.exit_codes import BrokenJobError
from imagebeam.beam_pipeline.runners import dataflow, failure_messages, flink, preflight, rest
from imagebeam.beam_pipeline.runners.beam_internals import portable_job_id
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken

_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 10.0
_NOT_FOUND_LIMIT = 3
_UNAVAILABLE = (*dataflow.UNAVAILABLE, grpc.RpcError, grpc.FutureTimeoutError)


def job_handle(options: PipelineOptions, result: Any) -> dict[str, str]:
    """Return what finds a submitted job again; empty if no other process can reach it."""
    if preflight.runner_name(options) == "dataflow":
        return dataflow.job_handle(options, result)
    # Flink comes first: Beam's job server stops waiting on a cancel request, but Flink goes on.
    if (master := flink.master(options)) is not None:
        return {"flink_master": master, "job": options.view_as(GoogleCloudOptions).job_name}
    portable = options.view_as(PortableOptions)
    job = portable_job_id(result)
    if portable.job_endpoint and job is not None:
        return {"job_endpoint": portable.job_endpoint, "job": job}
    return {}


class RemoteErrorPoller:
    """Polls a cluster for errors of a job, which a runner may retry again and again."""

    def __init__(self, layout: Layout, options: PipelineOptions) -> None:
        self._layout = layout
        self._options = options
        self._next_poll = 0.0
        self._not_found = 0

    def check(self) -> None:
        """Check that the job does not fail on an error that no restart can fix.

        Raises:
            BrokenJobError: it does, or the cluster does not know the job.
        """
        if time.monotonic() < self._next_poll:
            return
        self._next_poll = time.monotonic() + _POLL_SECONDS
        try:
            handle = RunToken.unfinished_remote(self._layout)
            for message in _error_messages(handle, self._options):
                if reason := failure_messages.worker_problem(message):
                    raise BrokenJobError(f"the job cannot run: {reason}")
        except NotFound:
            self._not_found += 1
            # Dataflow may not find an existing job for a moment.
            if self._not_found >= _NOT_FOUND_LIMIT:
                raise BrokenJobError(
                    "the job is gone: Dataflow no longer knows its id. Check that the project "
                    "still exists, then run the same command again."
                ) from None
        except _UNAVAILABLE:
            pass
        else:
            self._not_found = 0


def cancel(handle: Mapping[str, str], options: PipelineOptions) -> bool:
    """Cancel a job; return whether it was running.

    If the cluster cannot be reached, nothing is lost: the workers of the job notice that the
    output belongs to a later run.
    """
    with suppress(*_UNAVAILABLE):
        if "dataflow" in handle:
            return dataflow.cancel(handle["dataflow"], options)
        if "job_endpoint" in handle:
            return _cancel_on_job_server(handle["job_endpoint"], handle["job"])
        if "flink_master" in handle:
            return _cancel_on_flink(handle["flink_master"], handle["job"])
    return False


def _error_messages(handle: Mapping[str, str], options: PipelineOptions) -> Iterator[str]:
    """Yield the errors of a job so far; none if its cluster does not provide them."""
    if "dataflow" in handle:
        yield from dataflow.error_messages(handle["dataflow"], options)
    if "flink_master" in handle:
        for job in _flink_jobs(handle["flink_master"], handle["job"]):
            response = rest.call(f"{handle['flink_master']}/jobs/{job}/exceptions")
            # The latest failure may be that of a task that an earlier failure cancelled, so all are
            # returned.
            for failure in response["exceptionHistory"]["entries"]:
                for exception in (failure, *failure.get("concurrentExceptions", ())):
                    yield str(exception["stacktrace"])


def _cancel_on_job_server(endpoint: str, job: str) -> bool:
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        request = beam_job_api_pb2.GetJobStateRequest(job_id=job)
        state = service.GetState(request, timeout=_TIMEOUT_SECONDS).state
        if state in _FINAL_STATES:
            return False
        service.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job), timeout=_TIMEOUT_SECONDS)
    return True


_FINAL_STATES = (
    beam_job_api_pb2.JobState.DONE,
    beam_job_api_pb2.JobState.FAILED,
    beam_job_api_pb2.JobState.CANCELLED,
    beam_job_api_pb2.JobState.DRAINED,
)


def _cancel_on_flink(master: str, name: str) -> bool:
    jobs = _flink_jobs(master, name)
    for job in jobs:
        rest.call(f"{master}/jobs/{job}?mode=cancel", "PATCH")
    return bool(jobs)


def _flink_jobs(master: str, name: str) -> list[str]:
    """Return the ids of the jobs of this name that have not ended."""
    jobs = rest.call(f"{master}/jobs/overview")["jobs"]
    unfinished = ("CREATED", "RUNNING", "RESTARTING")
    return [job["jid"] for job in jobs if job["name"] == name and job["state"] in unfinished]
