"""Google Cloud Dataflow: check that it accepts jobs, monitor them and cancel them."""

import hashlib
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.auth
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners import failure_messages, rest
from imagebeam.extras import install_command
from imagebeam.storage.errors import StoreError
from imagebeam.storage.location import location

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

_CLIENT = ("google.cloud.dataflow", "google_auth_httplib2", "apitools")
_NEEDED = {"project": "PROJECT", "region": "REGION", "temp_location": "gs://BUCKET/FOLDER"}
_PROBE = "imagebeam-probe"
_LOG_IN = (
    "Run `gcloud auth application-default login`, or name a valid key file in "
    "GOOGLE_APPLICATION_CREDENTIALS."
)

UNAVAILABLE = (OSError, ValueError, KeyError, exceptions.GoogleAPICallError, GoogleAuthError)
"""The errors that a request to the service may raise."""


def check(options: PipelineOptions) -> None:
    """Check that the service responds and accepts the credentials of this machine.

    Raises:
        UsageError: it does not, or an option or a package is missing.
    """
    cloud = options.view_as(GoogleCloudOptions)
    for name, example in _NEEDED.items():
        if not getattr(cloud, name):
            raise UsageError(
                f"--runner=DataflowRunner: --{name} is missing. Add --{name}={example}."
            )
    if not cloud.temp_location.startswith("gs://"):
        raise UsageError(
            f"--temp_location={cloud.temp_location}: the workers of Dataflow cannot read it. Name "
            "a folder in a bucket: gs://BUCKET/FOLDER."
        )
    if cloud.template_location and not _launched(cloud):
        raise UsageError(
            "--template_location: a classic template has fixed inputs. Use the Flex Template in "
            "deploy/dataflow."
        )
    if any(find_spec(name) is None for name in _CLIENT):
        raise UsageError(
            "--runner=DataflowRunner: Google's Dataflow client is not installed. Run "
            f"`{install_command('dataflow')}`."
        )
    if not cloud.no_auth:
        _check_credentials()
    try:
        _request(f"{_jobs(cloud)}?pageSize=1", options)
    except GoogleAuthError as error:
        raise UsageError(f"--runner=DataflowRunner: no credentials ({error}). {_LOG_IN}") from error
    except OSError as error:
        raise UsageError(
            f"--dataflow_endpoint={cloud.dataflow_endpoint}: Dataflow does not respond there "
            f"({type(error).__name__}). Check the network, or correct the address."
        ) from error
    except UNAVAILABLE as error:
        raise UsageError(
            f"--project={cloud.project} --region={cloud.region}: {failure_messages.explain(error)}"
        ) from error
    for name in ("temp_location", "staging_location"):
        if folder := getattr(cloud, name):
            _check_writable(f"--{name}={folder}", folder)


def stage(package: Path, options: PipelineOptions) -> str:
    """Upload a package to where workers can read it, named by its digest; return its URI."""
    data = package.read_bytes()
    folder = options.view_as(GoogleCloudOptions).temp_location.rstrip("/")
    digest = hashlib.sha256(data).hexdigest()[:16]
    staged = location(f"{folder}/packages/{digest}/{package.name}")
    if not staged.exists():
        staged.write_bytes(data)
    return str(staged)


def job_handle(options: PipelineOptions, result: Any) -> dict[str, str]:
    """Return what finds a submitted job again."""
    cloud = options.view_as(GoogleCloudOptions)
    job = _launched(cloud) or result.job_id()
    return {"dataflow": f"{_jobs(cloud)}/{job}", "job": cloud.job_name}


def cancel(job: str, options: PipelineOptions) -> bool:
    """Cancel the job at this URL, or raise one of `UNAVAILABLE`; return whether it was running."""
    if _request(job, options)["currentState"] in _FINAL_STATES:
        return False
    _request(job, options, "PUT", {"requestedState": "JOB_STATE_CANCELLED"})
    return True


def error_messages(job: str, options: PipelineOptions) -> Iterator[str]:
    """Yield the error messages of the job at this URL so far, or raise one of `UNAVAILABLE`."""
    response = _request(f"{job}/messages?minimumImportance=JOB_MESSAGE_ERROR", options)
    for message in response.get("jobMessages", ()):
        yield message["messageText"]


_FINAL_STATES = (
    *("JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_CANCELLING"),
    *("JOB_STATE_UPDATED", "JOB_STATE_DRAINED"),
)


def _launched(cloud: GoogleCloudOptions) -> str | None:
    """Return the job id that the launcher of Flex Templates has assigned; None without one."""
    launch = _LAUNCH.search(cloud.template_location or "")
    return None if launch is None else launch[1]


_LAUNCH = re.compile("/template_launches/([^/]+)/")


def _jobs(cloud: GoogleCloudOptions) -> str:
    endpoint = cloud.dataflow_endpoint.rstrip("/")
    return f"{endpoint}/v1b3/projects/{cloud.project}/locations/{cloud.region}/jobs"


def _check_credentials() -> None:
    """Check that there are credentials; Beam would search for them repeatedly."""
    try:
        google.auth.default()
    except DefaultCredentialsError as error:
        raise UsageError(
            f"--runner=DataflowRunner: this machine has no credentials for Google Cloud. {_LOG_IN}"
        ) from error


def _check_writable(option: str, folder: str) -> None:
    """Check that a bucket is writable; Beam would retry for minutes."""
    probe = location(f"{folder.rstrip('/')}/{_PROBE}")
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except (OSError, StoreError) as error:
        raise UsageError(
            f"{option}: cannot be written ({error}). Create the bucket, and grant the submitting "
            "account the role roles/storage.objectAdmin on it."
        ) from error


def _request(
    url: str, options: PipelineOptions, method: str = "GET", body: dict[str, str] | None = None
) -> dict[str, Any]:
    return rest.call(url, method, body, _session(options))


def _session(options: PipelineOptions) -> "AuthorizedSession":
    """Return a session with the credentials that Beam uses to submit jobs.

    Beam's own function is not called: a local job, which may have to cancel an earlier job here,
    imports Beam without what that function needs.
    """
    # Importing it takes long, and every job imports this module.
    from google.auth.transport.requests import AuthorizedSession

    cloud = options.view_as(GoogleCloudOptions)
    if cloud.no_auth:
        return AuthorizedSession(AnonymousCredentials())
    scopes = cloud.gcp_oauth_scopes
    try:
        credentials, _ = google.auth.default(scopes=scopes)
    except DefaultCredentialsError:
        return AuthorizedSession(AnonymousCredentials())
    if accounts := cloud.impersonate_service_account:
        from google.auth import impersonated_credentials

        # All but the last account delegate to the next one.
        *others, target = accounts.split(",")
        # The reference of the IAM service names them so.
        delegates = [f"projects/-/serviceAccounts/{each}" for each in others]
        credentials = impersonated_credentials.Credentials(credentials, target, scopes, delegates)
    return AuthorizedSession(credentials)
