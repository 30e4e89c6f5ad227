"""Keep the secrets of addresses out of texts that leave the process: messages, logs, columns."""

import re
from collections.abc import Iterator
from typing import Any

from imagebeam.storage.secrets import (
    KNOWN_TOKEN,
    PATH_PARAMETER,
    USER_IN_PATH,
    HideQuery,
    decoded,
    holds_secrets,
    may_be_secret,
    without_secrets,
)


def clean_text(text: str) -> str:
    """Remove queries, users and passwords from all addresses in a text, and values of secrets.

    Every text that leaves the process passes here: messages, rows, logs and stack traces.
    """
    text = _URL.sub(_clean_url, text)
    text = _BARE_USER.sub("", _USER.sub(r"\1", text))
    text = _NAMED.sub(r"\1…", _HEADER.sub(r"\1…", _PRIVATE_KEY.sub("…", text)))
    text = KNOWN_TOKEN.sub("…", text)
    return "".join(_without_assigned(text))


def without_secrets_in(value: Any, hide: HideQuery = "secret") -> Any:
    """Return a value of a column without the secrets of the addresses in its texts.

    Args:
        value: text, a list or dict with texts somewhere inside, or anything else.
        hide: see `without_secrets`.
    """
    match value:
        case str() if "://" in value or "@" in value:
            value = _URL.sub(lambda match: _name_in_text(match, hide), value)
            return _USER.sub(r"\1", value)
        case list():
            return [without_secrets_in(each, hide) for each in value]
        case dict():
            return {name: without_secrets_in(each, hide) for name, each in value.items()}
        case _:
            return value


def _name_in_text(match: re.Match[str], hide: HideQuery) -> str:
    address = match[0].rstrip(_TAIL)
    rest = match[0][len(address) :]
    return f"{without_secrets(address, hide)}{rest}" if holds_secrets(address) else match[0]


# Repetitions before a fixed part have an upper bound: without one, time grows with the square of
# the length of a text, which may come from an untrusted source.
_URL = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}(?:://|%3A%2F%2F)[^\s'\"<>|`?]+(?:\?[^\s\"]*)?", re.IGNORECASE
)
_USER = re.compile(
    r"((?<![\w:/])//|\b(?:https?|ftp|s3|gs):(?:/|\\{0,4}))[^\s/@:'\"]{0,256}:[^\s/@'\"]{1,256}@",
    re.IGNORECASE,
)
"""User and password in an address without a scheme, with a slash too few or with backslashes."""
_BARE_USER = re.compile(
    r"(?<=[=\s'\"(])[^\s/@:'\"=]{1,64}:[^\s/@'\"]{1,256}@(?!sha256:)(?=[\w.-]{1,256}[:/])"
)
_TAIL = ").,;:!]}>'`"
_ENCODED_URL = re.compile(r"%3A%2F%2F", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:(?:proxy-)?authorization|cookie)['\"]?\s*[:=]\s*['\"]?|bearer\s+(?=\S{16}))"
    r"[^\r\n'\"]+",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b((?:x-[\w-]{0,40}(?:key|token|secret|auth|signature)|pass(?:word|wd|phrase)|private[_-]?key"
    r"|(?:\w{1,40}[_-])?secret(?:[_-]?key)?|(?:\w{1,40}[_-])?token|(?:api|access|account)[_-]?key)"
    r"['\"]?\s{0,3}:\s{0,3}['\"]|(?:x-[\w-]{0,40}(?:key|token|secret|auth|signature)"
    r"|pass(?:word|wd|phrase)|secret)\s{0,3}:\s{0,3})[^\s'\",;&]+",
    re.IGNORECASE,
)
"""A value behind a name and a colon, as in JSON, in dictionaries and in headers."""
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,20000}")
_ASSIGNMENT = re.compile(r"([?&;|#]?)([\w%-]{1,64})(?:\s{0,3}=\s{0,3}|%3D)(?!…)", re.IGNORECASE)
_ASSIGNED = re.compile(r"[^\s&'\"`<>,;)]+")
_ASSIGNED_SECRET = re.compile(
    r"(?:^|[^a-z])sig$|signature|token|secret|password|passwd|passphrase|pwd|api[_-]?key"
    r"|access[_-]?key|credential|jsessionid|hdnts|hdnea",
    re.IGNORECASE,
)


_DECIDING = 64
"""Characters of a value that show whether it is a secret: each `=` in a text has a value."""


def _without_assigned(text: str) -> Iterator[str]:
    """Yield the parts of a text between the values of secrets."""
    shown = 0
    for match in _ASSIGNMENT.finditer(text):
        start = _ASSIGNED.match(text, match.end(), match.end() + _DECIDING)
        if start is None or match.start() < shown:
            continue
        # Elsewhere than in a query, such a name may be that of anything.
        in_query = match[1] and may_be_secret(match[2], start[0])
        if in_query or _ASSIGNED_SECRET.search(decoded(match[2])):
            yield f"{text[shown : match.end()]}…"
            value = _ASSIGNED.match(text, match.end())
            shown = value.end() if value else match.end()
    yield text[shown:]


def _clean_url(match: re.Match[str]) -> str:
    url = match[0].rstrip(_TAIL)
    rest = match[0][len(url) :]
    if _ENCODED_URL.search(url) and "://" not in url:
        head, sign, _ = url.partition("%3F")
        return f"{head}{'?…' if sign else ''}{rest}"
    head, _, after = url.partition("://")
    before_query, question, _ = after.partition("?")
    before_query = before_query.partition("#")[0] if question else before_query
    authority, at, behind = before_query.rpartition("@")
    # An @ may stand in a path too, after a host with or without a port.
    if at and not _HOST_AND_PATH.match(authority):
        before_query = behind
    path = PATH_PARAMETER.sub(r"\1\2\3…", _NO_PORT.sub(r"\1:…", before_query))
    path = USER_IN_PATH.sub("/…", path)
    return f"{head}://{path}{'?…' if question else ''}{rest}"


_HOST_AND_PATH = re.compile(r"[^:/@]+(:\d*)?/")
_NO_PORT = re.compile(r"^([^:/@\[\]]+):(?!\d*(?:/|$))[^/]*")
