"""Google Cloud Dataflow: whether it would take a job, and what has become of one."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.auth
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners import failure_messages
from imagebeam.storage.errors import StoreError
from imagebeam.storage.location import location

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

_ANSWER_SECONDS = 20.0
_CLIENT = ("google.cloud.dataflow", "google_auth_httplib2", "apitools")
_NEEDED = {"project": "PROJECT", "region": "REGION", "temp_location": "gs://BUCKET/FOLDER"}
_PROBE = "imagebeam-probe"
_LOG_IN = (
    "Run `gcloud auth application-default login`, or name a valid key file in "
    "GOOGLE_APPLICATION_CREDENTIALS."
)

UNANSWERED = (OSError, ValueError, KeyError, exceptions.GoogleAPICallError, GoogleAuthError)
"""What asking the service may raise."""


def check(options: PipelineOptions) -> None:
    """See that the service answers and lets in who submits.

    Raises:
        UsageError: it does not, or something is missing to ask it.
    """
    cloud = options.view_as(GoogleCloudOptions)
    for name, example in _NEEDED.items():
        if not getattr(cloud, name):
            raise UsageError(f"--runner=DataflowRunner: it needs --{name}={example}.")
    if not cloud.temp_location.startswith("gs://"):
        raise UsageError(
            f"--temp_location={cloud.temp_location}: Dataflow's workers do not see it. Give a "
            "folder in a bucket: gs://BUCKET/FOLDER."
        )
    if cloud.template_location and not _launched(cloud):
        raise UsageError(
            "--template_location: a classic template would fix the inputs for good. Use the Flex "
            "Template in deploy/dataflow."
        )
    if any(find_spec(name) is None for name in _CLIENT):
        raise UsageError(
            "--runner=DataflowRunner: Google's client of it is not installed. Run `pip install "
            "'imagebeam[dataflow]'`."
        )
    if not cloud.no_auth:
        _check_credentials()
    try:
        _asked(f"{_jobs(cloud)}?pageSize=1", options)
    except GoogleAuthError as error:
        raise UsageError(f"--runner=DataflowRunner: no credentials ({error}). {_LOG_IN}") from error
    except OSError as error:
        raise UsageError(
            f"--dataflow_endpoint={cloud.dataflow_endpoint}: Dataflow does not answer there "
            f"({type(error).__name__}). Check the network, or correct the address."
        ) from error
    except UNANSWERED as error:
        raise UsageError(
            f"--project={cloud.project} --region={cloud.region}: {failure_messages.explain(error)}"
        ) from error
    for name in ("temp_location", "staging_location"):
        if folder := getattr(cloud, name):
            _check_writable(f"--{name}={folder}", folder)


def stage(package: Path, options: PipelineOptions) -> str:
    """Put a package where workers can read it, by its content; its name there."""
    data = package.read_bytes()
    folder = options.view_as(GoogleCloudOptions).temp_location.rstrip("/")
    digest = hashlib.sha256(data).hexdigest()[:16]
    staged = location(f"{folder}/packages/{digest}/{package.name}")
    if not staged.exists():
        staged.write_bytes(data)
    return str(staged)


def place(options: PipelineOptions, result: Any) -> dict[str, str]:
    """What finds a submitted job again."""
    cloud = options.view_as(GoogleCloudOptions)
    job = _launched(cloud) or result.job_id()
    return {"dataflow": f"{_jobs(cloud)}/{job}", "job": cloud.job_name}


def cancel(job: str, options: PipelineOptions) -> bool:
    """Cancel the job of this address; whether it was at work.

    Whatever it raises is one of `UNANSWERED`.
    """
    if _asked(job, options)["currentState"] in _ENDED:
        return False
    _asked(job, options, "PUT", {"requestedState": "JOB_STATE_CANCELLED"})
    return True


def complaints(job: str, options: PipelineOptions) -> Iterator[str]:
    """What the job of this address has met with so far.

    Whatever it raises is one of `UNANSWERED`.
    """
    said = _asked(f"{job}/messages?minimumImportance=JOB_MESSAGE_ERROR", options)
    for message in said.get("jobMessages", ()):
        yield message["messageText"]


_ENDED = (
    *("JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_CANCELLING"),
    *("JOB_STATE_UPDATED", "JOB_STATE_DRAINED"),
)


def _launched(cloud: GoogleCloudOptions) -> str | None:
    """The id under which the service runs what its launcher of Flex Templates has us leave."""
    place = _LAUNCH.search(cloud.template_location or "")
    return None if place is None else place[1]


_LAUNCH = re.compile("/template_launches/([^/]+)/")


def _jobs(cloud: GoogleCloudOptions) -> str:
    endpoint = cloud.dataflow_endpoint.rstrip("/")
    return f"{endpoint}/v1b3/projects/{cloud.project}/locations/{cloud.region}/jobs"


def _check_credentials() -> None:
    """See that there are any; Beam would look for them again and again."""
    try:
        google.auth.default()
    except DefaultCredentialsError as error:
        raise UsageError(
            f"--runner=DataflowRunner: this machine has no credentials for Google Cloud. {_LOG_IN}"
        ) from error


def _check_writable(option: str, folder: str) -> None:
    """See that a bucket takes what a job needs; Beam would try for minutes."""
    probe = location(f"{folder.rstrip('/')}/{_PROBE}")
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except (OSError, StoreError) as error:
        raise UsageError(
            f"{option}: cannot be written ({error}). Create the bucket, and give the account that "
            "submits the role roles/storage.objectAdmin on it."
        ) from error


def _asked(
    url: str, options: PipelineOptions, method: str = "GET", body: Mapping[str, str] | None = None
) -> dict[str, Any]:
    answer = _session(options).request(method, url, json=body, timeout=_ANSWER_SECONDS)
    if not answer.ok:
        raise exceptions.from_http_response(answer)
    return dict(answer.json())


def _session(options: PipelineOptions) -> "AuthorizedSession":
    """As whom Beam submits jobs, by its options."""
    # All jobs import this module, and these take long.
    from apache_beam.internal.gcp import auth
    from google.auth.transport.requests import AuthorizedSession

    if options.view_as(GoogleCloudOptions).no_auth:
        return AuthorizedSession(AnonymousCredentials())
    found = auth.get_service_credentials(options)
    return AuthorizedSession(
        AnonymousCredentials() if found is None else found.get_google_auth_credentials()
    )
