"""Headers that a user adds to the requests for images, without their values leaving the machine.

`--header` takes `[HOST] NAME: VALUE`. A value `$VARIABLE` or `@FILE` is read where the request is
sent, on each worker, so that no secret is in the command line, in a job that is submitted, or in a
log. Such a header needs a HOST, since a manifest may name any host.
"""

import functools
import os
import re
from collections.abc import Sequence

from urllib3.util import Url

from imagebeam.storage.errors import NoCredentials
from imagebeam.storage.regular_files import open_regular
from imagebeam.storage.secrets import may_be_secret
from imagebeam.storage.types import RequestHeader

_HEADER = re.compile(
    r"(?:(?P<host>[^\s:/]+(?::\d+)?)\s+)?(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(?P<value>.*)"
)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")

_OURS = {
    *("host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te"),
    *("range", "if-match", "if-unmodified-since", "accept-encoding", "user-agent", "cookie2"),
}
"""Headers that would change what a response means here, or that have an option of their own."""


def parse_header(text: str) -> RequestHeader:
    """Parse `[HOST] NAME: VALUE`.

    Raises:
        ValueError: it is malformed, would change the meaning of responses, or shows a secret. The
            text holds no value.
    """
    match = _HEADER.fullmatch(text)
    if match is None or not _VALUE.fullmatch(match["value"]):
        raise ValueError("not of the form '[HOST] NAME: VALUE'")
    host, name, value = match["host"] or "", match["name"], match["value"]
    if name.lower() in _OURS:
        raise ValueError(f"{name} is set by imagebeam itself")
    if value[0] in "$@":
        if not host:
            raise ValueError(f"{name} needs the host that may see it, as in 'HOST {name}: …'")
    elif name.lower() in ("authorization", "proxy-authorization", "cookie") or may_be_secret(
        name, value
    ):
        raise ValueError(
            f"the value of {name} would be visible in the process list and in the job; give "
            f"'HOST {name}: $VARIABLE' or 'HOST {name}: @FILE'"
        )
    return RequestHeader(name, value, host.lower())


def header_value(header: RequestHeader) -> str:
    """Read the value of a header on its use; raise NoCredentials if it is missing or malformed."""
    match header.value[:1]:
        case "$":
            value = os.environ.get(header.value[1:], "")
        case "@":
            value = _file_text(header.value[1:])
        case _:
            return header.value
    value = value.strip()
    if not _VALUE.fullmatch(value):
        raise NoCredentials(
            f"the value of the header {header.name} is missing or malformed: {header.value}"
        )
    return value


def own_headers(headers: Sequence[RequestHeader], url: Url) -> dict[str, str]:
    """Return the user's headers for a request; raise NoCredentials for an unreadable value."""
    hosts = ("", url.host, f"{url.host}:{url.port}")
    return {header.name: header_value(header) for header in headers if header.host in hosts}


_MOST_CHARACTERS = 64_000
"""No server takes a longer header."""


@functools.lru_cache(maxsize=64)
def _file_text(path: str) -> str:
    try:
        with open(path, encoding="latin-1", opener=open_regular) as file:
            return file.read(_MOST_CHARACTERS)
    except (OSError, ValueError):
        return ""
