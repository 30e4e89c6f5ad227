"""Why a runner gave up, in a line: the cause and its cure, out of the traces around it."""

import re

_NO_PACKAGE = re.compile(
    r"No module named '(?:beam_pipeline|transforms|images|hub_modules|results|stores)"
)
_MISMATCH = re.compile(r"WorkerMismatchError: ([^\n]*?)(?: \[while running|\n|$)")
_NO_PRISM = re.compile(r"[Uu]nable to fetch remote prism binary")


def of_workers(text: str) -> str | None:
    """What is wrong with the workers, and the cure; None if they can do the job."""
    if _NO_PACKAGE.search(text):
        return (
            "the workers hold no imagebeam, or another version. Leave --sdk_container_image out, "
            "or name an image that holds this version."
        )
    if mismatch := _MISMATCH.search(text):
        return f"{mismatch[1]}."
    return None


def told(error: BaseException) -> str:
    """The innermost reason and what to do about it, without the traces of the workers."""
    text = str(error)
    if reason := of_workers(text):
        return reason
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
