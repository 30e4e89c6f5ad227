import pytest
from google.api_core import exceptions

from imagebeam.beam_pipeline.runners.failure_messages import explain, of_user
from imagebeam.outputs.errors import DamagedPartError, OutputError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            "java.lang.RuntimeException: Error received from SDK harness\nTraceback\n"
            "ModuleNotFoundError: No module named 'imagebeam.transforms'\n\n",
            "imagebeam is missing on the workers, or has another version. Omit "
            "--sdk_container_image, or name an image with this version.",
        ),
        (
            "Traceback\n  File\nRuntimeError: boom [while running 'DecodeImages/ParDo']",
            "boom. Remove the cause.",
        ),
        (
            "imagebeam.transforms.worker_versions.WorkerMismatchError: "
            "a worker has pillow 1 (submitter: 2)",
            "a worker has pillow 1 (submitter: 2).",
        ),
        (
            "Traceback\n  File\nMemoryError: [while running 'DecodeImages/ParDo']",
            "no memory was left. Allow the job more, or give a lower --decode-processes.",
        ),
        (
            "PermissionError: [Errno 13] the credentials that were found are not valid; renew "
            "them: 's3://bucket/out' [while running 'WriteResults']",
            "a worker cannot use the bucket (the credentials that were found are not valid; renew "
            "them: 's3://bucket/out'). Give the workers valid credentials.",
        ),
        (
            "Unable to fetch remote job server jar at https://maven.example/job-server-2.77.0.jar: "
            "HTTP Error 404: Not Found. Also failed to fetch from a mirror.",
            "Beam's job server is not installed and could not be downloaded (HTTP Error 404: Not "
            "Found). Get https://maven.example/job-server-2.77.0.jar, or build it with "
            "deploy/flink/job-server.xml, and name the file by --flink_job_server_jar.",
        ),
        (
            "Service failed to start up with error 1",
            "the program that Beam starts here for the runner ended at once (exit code 1). Check "
            "that --prism_location or --flink_job_server_jar names the right file and that Java, "
            "where it needs it, is version 11 or newer. Its messages are in job/log.txt in the "
            "output.",
        ),
        (
            "java.lang.IllegalStateException: Process died with exit code 1",
            "workers end before they take work (exit code 1). The log of a task manager has their "
            "messages. If it names a file that does not exist, the task managers cannot read the "
            "--artifacts-dir of the job server: use a folder or bucket that they can read, or an "
            "image that holds the package (--sdk_container_image).",
        ),
        ("", "RuntimeError. Remove the cause."),
    ],
)
def test_the_innermost_reason_is_reported(error: str, message: str) -> None:
    assert explain(RuntimeError(error)) == message


def test_a_worker_without_a_decoder_is_found_in_the_trace_of_any_runner() -> None:
    reason = "no decoding process can be started: it ended with exit code 7. Raise the limits."
    trace = f"Traceback\n  File\nRuntimeError: {reason} [while running 'DecodeImages']\n\nmore"
    assert of_user(RuntimeError(trace)) == reason
    assert of_user(RuntimeError("boom")) is None


@pytest.mark.parametrize("kind", [OutputError, DamagedPartError])
@pytest.mark.parametrize("step", ["", " [while running 'SkipDone/DigestDone']"])
def test_a_file_of_the_output_that_cannot_be_used_is_found(
    kind: type[Exception], step: str
) -> None:
    reason = "/out/predictions/part-0.parquet: was written by another job. Move it elsewhere."
    trace = f"Traceback\n  File\n{kind.__module__}.{kind.__name__}: {reason}{step}\n\nmore"
    assert of_user(RuntimeError(trace)) == reason
    assert of_user(kind(f"{reason}{step}")) == reason


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            exceptions.Unauthorized("GET https://dataflow.example/jobs: Who are you?"),
            "Dataflow refuses it (Who are you?). Run `gcloud auth application-default login`, or "
            "name a valid key file in GOOGLE_APPLICATION_CREDENTIALS.",
        ),
        (
            exceptions.TooManyRequests("Slow down."),
            "Dataflow refuses it (Slow down). Request more quota, or use fewer or smaller "
            "workers: --max_num_workers, --worker_machine_type.",
        ),
        (
            exceptions.NotFound("No such region."),
            "Dataflow refuses it (No such region). Correct --project and --region.",
        ),
        (
            RuntimeError("There is already active job named a with id: 1."),
            "Dataflow refuses it (There is already active job named a with id: 1). Wait for the "
            "end of that job, or omit --job_name.",
        ),
        (
            RuntimeError("Dataflow pipeline failed. State: FAILED, Error:\nNone"),
            "Dataflow reports only the state FAILED. See the page of the job in the console.",
        ),
        (
            RuntimeError("Dataflow pipeline failed. State: FAILED, Error:\nThe disk is full."),
            "The disk is full. Remove the cause.",
        ),
    ],
)
def test_errors_of_dataflow_are_reported_with_a_fix(error: Exception, message: str) -> None:
    assert explain(error) == message
