"""Extract the reason and the fix from the errors and stack traces of runners."""

import re
from http import HTTPStatus

import grpc

from imagebeam.images.reading.decoding_process import NO_DECODER

_NO_PACKAGE = re.compile(r"No module named 'imagebeam")
_MISMATCH = re.compile(r"WorkerMismatchError: ([^\n]*?)(?: \[while running|\n|$)")
_DATAFLOW_ENDED = re.compile(r"Dataflow pipeline failed\. State: (\w+), Error:\nNone")
_REQUEST = re.compile(r"^[A-Z]+ https?://\S+: ")
_NAME_TAKEN = re.compile(r"already (?:an )?active job named")
_NO_DECODER = re.compile(rf"{NO_DECODER}: [^\n]*?(?= \[while running|\n|$)")
_WRONG_PART = re.compile(r"\.(?:OutputError|DamagedPartError): ([^\n]*?)(?= \[while running|\n|$)")
_REFUSED = re.compile(r"PermissionError: \[Errno 13\] ([^\n]*credentials[^\n]*?)(?: \[while|\n|$)")
_NO_JOB_SERVER = re.compile(r"[Uu]nable to fetch remote job server jar at (\S+): (.*?)\. ")
_NOT_STARTED = re.compile(r"Service failed to start up with error (-?\d+)")
_WORKER_ENDED = re.compile(r"Process died with exit code (\d+)")
_NO_MEMORY = re.compile(r"^MemoryError\b", re.MULTILINE)
_NO_PRISM = re.compile(r"[Uu]nable to fetch remote prism binary")


def worker_problem(text: str) -> str | None:
    """Return what is wrong with the workers, and the fix; None if they can run the job."""
    if _NO_PACKAGE.search(text):
        return (
            "imagebeam is missing on the workers, or has another version. Omit "
            "--sdk_container_image, or name an image with this version."
        )
    if mismatch := _MISMATCH.search(text):
        return f"{mismatch[1]}."
    if refused := _REFUSED.search(text):
        return f"a worker cannot use the bucket ({refused[1]}). Give the workers valid credentials."
    return None


def of_user(error: BaseException) -> str | None:
    """Return why the same command would fail again before any image, and the fix; else None.

    No image can be decoded, or a file in the output is damaged or of another job.
    """
    if found := _NO_DECODER.search(str(error)):
        return found[0]
    # The local runner raises the error itself, others raise the stack trace of a worker.
    kind = f"{type(error).__module__}.{type(error).__name__}"
    found = _WRONG_PART.search(f"{kind}: {error}")
    return found and f"{found[1].rstrip('.')}."


def of_service(error: BaseException) -> str | None:
    """Return why Google's service refuses, and the fix; None for other errors."""
    text = _REQUEST.sub("", str(getattr(error, "message", error))).strip().rstrip(".")
    code = getattr(error, "code", None)
    if code == HTTPStatus.CONFLICT or _NAME_TAKEN.search(text):
        return f"Dataflow refuses it ({text}). Wait for the end of that job, or omit --job_name."
    if code == HTTPStatus.TOO_MANY_REQUESTS or (
        code == HTTPStatus.FORBIDDEN and "quota" in text.lower()
    ):
        return (
            f"Dataflow refuses it ({text}). Request more quota, or use fewer or smaller workers: "
            "--max_num_workers, --worker_machine_type."
        )
    if isinstance(code, int) and code in _FIXES:
        return f"Dataflow refuses it ({text}). {_FIXES[code]}"
    return None


_FIXES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Run `gcloud auth application-default login`, or name a valid key "
    "file in GOOGLE_APPLICATION_CREDENTIALS.",
    HTTPStatus.FORBIDDEN: "Grant the submitting account the role roles/dataflow.developer, and "
    "enable the Dataflow API in the project.",
    HTTPStatus.NOT_FOUND: "Correct --project and --region.",
}


def explain(error: BaseException) -> str:
    """Return the innermost reason and its fix, without the stack traces of workers."""
    text = str(error)
    if reason := worker_problem(text) or of_service(error):
        return reason
    if ended := _DATAFLOW_ENDED.search(text):
        return (
            f"Dataflow reports only the state {ended[1]}. See the page of the job in the console."
        )
    if missing := _NO_JOB_SERVER.search(text):
        return (
            f"Beam's job server is not installed and could not be downloaded ({missing[2]}). Get "
            f"{missing[1]}, or build it with deploy/flink/job-server.xml, and name the file by "
            "--flink_job_server_jar."
        )
    if ended := _NOT_STARTED.search(text):
        return (
            "the program that Beam starts here for the runner ended at once (exit code "
            f"{ended[1]}). Check that --prism_location or --flink_job_server_jar names the "
            "right file and that Java, where it needs it, is version 11 or newer. Its messages are "
            "in job/log.txt in the output."
        )
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return (
            f"Beam's job server no longer answers ({error.details()}). See its log. The "
            "cluster behind it may still run."
        )
    if ended := _WORKER_ENDED.search(text):
        return (
            f"workers end before they take work (exit code {ended[1]}). The log of a task manager "
            "has their messages. If it names a file that does not exist, the task managers cannot "
            "read the --artifacts-dir of the job server: use a folder or bucket that they can "
            "read, or an image that holds the package (--sdk_container_image)."
        )
    if _NO_PRISM.search(text):
        return (
            "Prism is not installed and could not be downloaded. Build it with `go install "
            "github.com/apache/beam/sdks/v2/go/cmd/prism@latest` and name it by --prism_location."
        )
    if isinstance(error, MemoryError) or _NO_MEMORY.search(text):
        return "no memory was left. Allow the job more, or give a lower --decode-processes."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    # The runner wraps the error of a step and adds the name of the step.
    reason = re.sub(r" \[while running .*\]$", "", last).removeprefix("RuntimeError: ").rstrip(".")
    # A message of this package ends with the fix.
    return f"{reason}." if ". " in reason else f"{reason}. Remove the cause."
