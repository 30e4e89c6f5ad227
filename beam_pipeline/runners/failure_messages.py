"""Why a runner gave up, in a line: the cause and its cure, out of the traces around it."""

import re
from http import HTTPStatus

_NO_PACKAGE = re.compile(r"No module named 'imagebeam")
_MISMATCH = re.compile(r"WorkerMismatchError: ([^\n]*?)(?: \[while running|\n|$)")
_DATAFLOW_ENDED = re.compile(r"Dataflow pipeline failed\. State: (\w+), Error:\nNone")
_REQUEST = re.compile(r"^[A-Z]+ https?://\S+: ")
_NAME_TAKEN = re.compile(r"already (?:an )?active job named")
_NO_PRISM = re.compile(r"[Uu]nable to fetch remote prism binary")


def worker_problem(text: str) -> str | None:
    """What is wrong with the workers, and the cure; None if they can do the job."""
    if _NO_PACKAGE.search(text):
        return (
            "the workers hold no imagebeam, or another version. Leave --sdk_container_image out, "
            "or name an image that holds this version."
        )
    if mismatch := _MISMATCH.search(text):
        return f"{mismatch[1]}."
    return None


def of_service(error: BaseException) -> str | None:
    """Why Google's service refuses, and the cure; None if it is not the service that does."""
    text = _REQUEST.sub("", str(getattr(error, "message", error))).strip().rstrip(".")
    code = getattr(error, "code", None)
    if code == HTTPStatus.CONFLICT or _NAME_TAKEN.search(text):
        return (
            f"Dataflow refuses it ({text}). Wait for the end of that job, or leave --job_name out."
        )
    if code == HTTPStatus.TOO_MANY_REQUESTS or (
        code == HTTPStatus.FORBIDDEN and "quota" in text.lower()
    ):
        return (
            f"Dataflow refuses it ({text}). Ask for more quota, or use fewer or smaller workers: "
            "--max_num_workers, --worker_machine_type."
        )
    if isinstance(code, int) and code in _CURES:
        return f"Dataflow refuses it ({text}). {_CURES[code]}"
    return None


_CURES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Run `gcloud auth application-default login`, or name a valid key "
    "file in GOOGLE_APPLICATION_CREDENTIALS.",
    HTTPStatus.FORBIDDEN: "Give the account that submits the role roles/dataflow.developer, and "
    "enable the Dataflow API in the project.",
    HTTPStatus.NOT_FOUND: "Correct --project and --region.",
}


def explain(error: BaseException) -> str:
    """The innermost reason and what to do about it, without the traces of the workers."""
    text = str(error)
    if reason := worker_problem(text) or of_service(error):
        return reason
    if ended := _DATAFLOW_ENDED.search(text):
        return (
            f"Dataflow says that it is {ended[1]}, and no more. See the job's page in the console."
        )
    if _NO_PRISM.search(text):
        return (
            "Prism is not installed and could not be fetched. Build it with `go install "
            "github.com/apache/beam/sdks/v2/go/cmd/prism@latest` and name it by --prism_location."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    # The runner wraps what a step raised, and says where.
    reason = re.sub(r" \[while running .*\]$", "", last).removeprefix("RuntimeError: ").rstrip(".")
    return f"{reason}. Remove the cause."
