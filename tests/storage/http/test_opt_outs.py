import pytest

from imagebeam.storage.errors import OptedOut
from imagebeam.storage.http.responses import check_opt_out


@pytest.mark.parametrize(
    ("headers", "directive"),
    [
        (["noai"], "noai"),
        (["noimageai"], "noimageai"),
        (["noindex"], "noindex"),
        (["noimageindex"], "noimageindex"),
        (["none"], "none"),
        (["NoAI"], "noai"),
        (["nofollow, noai"], "noai"),
        (["nofollow", "noai"], "noai"),
        (["*: noai"], "noai"),
        (["imagebeam: noai"], "noai"),
        (["ImageBeam : nofollow , noai"], "noai"),
        (["otherbot: nofollow, imagebeam: noai"], "noai"),
        (["noai, max-image-preview: large"], "noai"),
        (["max-snippet:-1, noai"], "noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noindex"], "noindex"),
    ],
)
def test_a_directive_for_all_or_for_this_program_forbids(
    headers: list[str], directive: str
) -> None:
    with pytest.raises(OptedOut, match=f"^its header X-Robots-Tag says {directive}$"):
        check_opt_out(headers)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["all"],
        ["nofollow, noarchive"],
        ["noai-not"],
        ["otherbot: noai"],
        ["otherbot: noindex, noai"],
        ["imagebeam: nofollow, otherbot: noai"],
        ["max-image-preview: none"],
        ["ai: noai"],
    ],
)
def test_other_directives_do_not_forbid(headers: list[str]) -> None:
    check_opt_out(headers)
