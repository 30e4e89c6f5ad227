"""Jobs on a cluster: where they are, what they keep failing on, and how they are cancelled."""

import json
import time
import urllib.request
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
from imagebeam.beam_pipeline.runners import dataflow, failure_messages, preflight
from imagebeam.beam_pipeline.runners.beam_internals import portable_job_id
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken

_ANSWER_SECONDS = 20.0
_PAUSE_SECONDS = 10.0
_OFTEN = 3
_UNANSWERED = (*dataflow.UNANSWERED, grpc.RpcError, grpc.FutureTimeoutError)


def job_handle(options: PipelineOptions, result: Any) -> dict[str, str]:
    """What finds a submitted job again; empty where its runner cannot be asked by others."""
    if preflight.runner_name(options) == "dataflow":
        return dataflow.place(options, result)
    # Flink first: Beam's job server, told to cancel, stops waiting and lets Flink go on.
    if (master := preflight.flink_master(options)) is not None:
        return {"flink_master": master, "job": options.view_as(GoogleCloudOptions).job_name}
    portable = options.view_as(PortableOptions)
    job = portable_job_id(result)
    if portable.job_endpoint and job is not None:
        return {"job_endpoint": portable.job_endpoint, "job": job}
    return {}


class RemoteErrorPoller:
    """Asks a cluster now and then what the job fails on, which it may do again and again."""

    def __init__(self, layout: Layout, options: PipelineOptions) -> None:
        self._layout = layout
        self._options = options
        self._next = 0.0
        self._unknown = 0

    def check(self) -> None:
        """See that the job does not fail on what no restart can change.

        Raises:
            BrokenJobError: it does, or the cluster knows of no such job.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE_SECONDS
        try:
            for said in _complaints(RunToken.unfinished_remote(self._layout), self._options):
                if reason := failure_messages.worker_problem(said):
                    raise BrokenJobError(f"the job cannot be done: {reason}")
        except NotFound:
            self._unknown += 1
            # Dataflow may not know for a moment of jobs that it has.
            if self._unknown >= _OFTEN:
                raise BrokenJobError(
                    "the job is gone: Dataflow knows of none with its id any more. See whether "
                    "the project is still there, then run the same command again."
                ) from None
        except _UNANSWERED:
            pass
        else:
            self._unknown = 0


def cancel(place: Mapping[str, str], options: PipelineOptions) -> bool:
    """Cancel the job that is there; whether there was one at work.

    If it cannot be asked, nothing is lost: its workers notice that the output is not theirs.
    """
    with suppress(*_UNANSWERED):
        if "dataflow" in place:
            return dataflow.cancel(place["dataflow"], options)
        if "job_endpoint" in place:
            return _cancel_on_job_server(place["job_endpoint"], place["job"])
        if "flink_master" in place:
            return _cancel_on_flink(place["flink_master"], place["job"])
    return False


def _complaints(place: Mapping[str, str], options: PipelineOptions) -> Iterator[str]:
    """What the job that is there has met with; nothing where nobody can be asked."""
    if "dataflow" in place:
        yield from dataflow.complaints(place["dataflow"], options)
    if "flink_master" in place:
        for job in _on_flink(place["flink_master"], place["job"]):
            said = _answer(f"{place['flink_master']}/jobs/{job}/exceptions")
            # Not the latest alone: what is cancelled beside a failure may fail after it.
            for failure in said["exceptionHistory"]["entries"]:
                for each in (failure, *failure.get("concurrentExceptions", ())):
                    yield str(each["stacktrace"])


def _cancel_on_job_server(endpoint: str, job: str) -> bool:
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        asked = beam_job_api_pb2.GetJobStateRequest(job_id=job)
        state = service.GetState(asked, timeout=_ANSWER_SECONDS).state
        if state in _ENDED:
            return False
        service.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job), timeout=_ANSWER_SECONDS)
    return True


_ENDED = (
    beam_job_api_pb2.JobState.DONE,
    beam_job_api_pb2.JobState.FAILED,
    beam_job_api_pb2.JobState.CANCELLED,
    beam_job_api_pb2.JobState.DRAINED,
)


def _cancel_on_flink(master: str, name: str) -> bool:
    found = _on_flink(master, name)
    for job in found:
        _answer(f"{master}/jobs/{job}?mode=cancel", "PATCH")
    return bool(found)


def _on_flink(master: str, name: str) -> list[str]:
    """Ids of the jobs of this name that have not ended."""
    jobs = _answer(f"{master}/jobs/overview")["jobs"]
    at_work = ("CREATED", "RUNNING", "RESTARTING")
    return [job["jid"] for job in jobs if job["name"] == name and job["state"] in at_work]


def _answer(url: str, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
        return dict(json.loads(answer.read() or b"{}"))
