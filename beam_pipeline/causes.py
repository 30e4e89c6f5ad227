"""Why a runner gave up, in a line: the cause and its cure, out of the traces around it."""

import re

_CURES = (
    (
        r"No module named '(?:beam_pipeline|transforms|images|hub_modules|results|stores)",
        "the workers hold no imagebeam, or another version. Leave --sdk_container_image out, or "
        "name an image that holds this version.",
    ),
    (
        r"[Uu]nable to fetch remote prism binary",
        "Prism is not installed and could not be fetched. Build it with `go install "
        "github.com/apache/beam/sdks/v2/go/cmd/prism@latest` and name it by --prism_location.",
    ),
)


def told(error: BaseException) -> str:
    """The innermost reason and what to do about it, without the traces of the workers."""
    text = str(error)
    for pattern, cure in _CURES:
        if re.search(pattern, text):
            return cure
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    # The runner wraps what a step raised, and says where.
    reason = re.sub(r" \[while running .*\]$", "", last).rstrip(".")
    reason = re.sub(
        r"^(?:RuntimeError|[\w.]+\.(?:WorkerMismatchError|SupersededError)): ", "", reason
    )
    return f"{reason}. Remove the cause."
