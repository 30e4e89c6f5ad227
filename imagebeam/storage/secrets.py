"""Keeps secrets out of everything that leaves the process: rows, messages, logs, reports.

A web address may hold a user, a password, a signature or a key. `without_secrets` gives the name
under which an address appears in rows; `clean_text` is applied to every message. What is hidden in
a name is replaced by a digest, so that different addresses keep different names.
"""

import hashlib
import re
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit, urlunsplit

from imagebeam.storage.uris import is_plain, scheme

HideQuery = Literal["secret", "all", "none"]
"""Which values of a query rows hide: those that may be secret, all, or none."""

HIDE_QUERY: tuple[HideQuery, ...] = get_args(HideQuery)

_SIGNATURE = re.compile(r"(x-[a-z]+-)?(signature|sig)", re.IGNORECASE)
_SIGNING = re.compile(
    # AWS, Google and others; CloudFront; Azure.
    r"x-[a-z]+-.*|(signature|expires|policy|key-pair-id)|(aws|oss)accesskeyid|googleaccessid"
    r"|sig|s[veirtps]|s(rt|pr|ip)|sk(oid|tid|t|e|s|v)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"key|sig|token|secret|pass|pw|auth|cred|code|sess|hdnt|hdnea|hmac|jwt|ticket|otp|nonce"
    r"|^k$",
    re.IGNORECASE,
)
_LONGEST_SHOWN = 24
"""Characters of a value: a longer one may be a key under a name that is not known here."""

_HEX_KEY = re.compile(r"(?=.*[a-f])(?=.*[0-9])[0-9a-f-]{16,}", re.IGNORECASE)
_RUNS = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[^a-zA-Z0-9]+")
_FEWEST_RUNS = 6
"""A word in which letters, capitals and digits change this often is taken for random."""

# A URL with a user or a query that is taken for a local path, because of a quote before it, of
# backslashes, or of a slash too few.
_MISTYPED_URL = re.compile(
    r"\b((?:https?|ftp|s3|gs):[/\\]{1,3})((?=[^/\\]{0,1024}@|.{0,4096}\?).+)", re.IGNORECASE
)

_HIDDEN = re.compile(r"~[0-9a-f]{16}")
_ENCODINGS = 3
"""Times that a name may be percent-encoded and is still recognised."""


def without_secrets(address: str, hide: HideQuery = "secret") -> str:
    """Return the name of the object at an address, without secrets.

    The name stays the same when a URL is signed anew. User and password are always left out.

    Args:
        address: a URI or a local path.
        hide: which values of its query are replaced by a digest.
    """
    kind = scheme(address)
    if kind == "file":
        return _MISTYPED_URL.sub(lambda match: f"{match[1]}{_digest(match[2])}", address)
    if is_plain(address):
        return _bucket_name(address)
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises where a password with a slash stands for a port
    except ValueError:
        # The address is malformed, so that any part of it may be secret.
        return f"{kind}://{_digest(address)}"
    host = parts.netloc.rpartition("@")[2]
    path = _without_path_secrets(parts.path)
    return urlunsplit((parts.scheme, host, path, _shown_query(parts.query, hide), ""))


def holds_secrets(address: str) -> bool:
    """Return whether an address holds something that its name leaves out."""
    return without_secrets(address) != address.partition("#")[0]


def clean_text(text: str) -> str:
    """Remove queries, users and passwords from all addresses in a text, and values of secrets.

    Every text that leaves the process passes here: messages, rows, logs and stack traces.
    """
    text = _URL.sub(_clean_url, text)
    text = _USER.sub(r"\1", text)
    text = _HEADER.sub(r"\1…", text)
    return _ASSIGNMENT.sub(_clean_assignment, text)


# Repetitions before a fixed part have an upper bound: without one, time grows with the square of
# the length of a text, which may come from an untrusted source.
_URL = re.compile(r"[a-z][a-z0-9+.-]{0,30}(?:://|%3A%2F%2F)[^\s'\"<>|`]+", re.IGNORECASE)
_USER = re.compile(
    r"((?<![\w:/])//|\b(?:https?|ftp|s3|gs):(?:/|\\{1,4}))[^\s/@:'\"]{0,256}:[^\s/@'\"]{1,256}@",
    re.IGNORECASE,
)
"""User and password in an address without a scheme, with a slash too few or with backslashes."""
_TAIL = ").,;:!]}"
_ENCODED_URL = re.compile(r"%3A%2F%2F", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:(?:proxy-)?authorization|cookie)['\"]?\s*[:=]\s*['\"]?|bearer\s+(?=\S{16}))"
    r"[^\r\n'\"]+",
    re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"([\w%-]{1,64})(\s{0,3}=\s{0,3}|%3D)(?!…)[^\s&'\"<>,;)]+", re.IGNORECASE)
_ASSIGNED_SECRET = re.compile(
    r"(?:^|[^a-z])sig$|signature|token|secret|password|passwd|passphrase|pwd|api[_-]?key"
    r"|access[_-]?key|credential|jsessionid|hdnts|hdnea",
    re.IGNORECASE,
)


def _clean_assignment(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}…" if _ASSIGNED_SECRET.search(match[1]) else match[0]


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
    path = _PATH_PARAMETER.sub(r";\1=…", before_query)
    return f"{head}://{path}{'?…' if question else ''}{rest}"


_HOST_AND_PATH = re.compile(r"[^:/@]+(:\d*)?/")
_PATH_PARAMETER = re.compile(r";([\w.%-]+)=([^;/]*)")


def _without_path_secrets(path: str) -> str:
    def shown(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        return f";{name}={_digest(value)}" if may_be_secret(name, value) else match[0]

    return _PATH_PARAMETER.sub(shown, path)


def _bucket_name(address: str) -> str:
    """Return the name of an object in a bucket, whose `?` is part of it unless it is signed."""
    head, _, rest = address.partition("://")
    bucket, slash, name = rest.partition("/")
    bucket = bucket.rpartition("@")[2]
    if ":" in bucket:
        # A key with a slash, KEY:SE/CRET@bucket, or without a bucket: where it ends is not certain.
        return f"{head}://{_digest(address)}"
    name = f"{head}://{bucket}{slash}{name}"
    path, question, query = name.partition("?")
    signed = any(_SIGNATURE.fullmatch(part.partition("=")[0]) for part in query.split("&"))
    return f"{path}{question}{_digest(query)}" if signed else name


def _shown_query(query: str, hide: HideQuery) -> str:
    parameters = [part for part in query.split("&") if part]
    names = [_decoded(part.partition("=")[0]) for part in parameters]
    if any(map(_SIGNATURE.fullmatch, names)):
        kept = zip(parameters, names, strict=True)
        parameters = [part for part, name in kept if not _SIGNING.fullmatch(name)]
    match hide:
        case "none":
            return "&".join(parameters)
        case "all":
            return _digest("&".join(parameters)) if parameters else ""
        case "secret":
            return "&".join(map(_shown_parameter, parameters))


def _shown_parameter(parameter: str) -> str:
    name, sign, value = parameter.partition("=")
    if not sign:
        return _digest(name)
    shown = _digest(name) if _looks_random(_decoded(name)) else name
    return f"{shown}={_digest(value) if may_be_secret(name, value) else value}"


def may_be_secret(name: str, value: str) -> bool:
    """Return whether the name of a parameter or header, or its value, looks like a secret."""
    return bool(value) and (
        _SECRET_NAME.search(_decoded(name)) is not None or _looks_random(_decoded(value))
    )


def _looks_random(text: str) -> bool:
    if len(text) > _LONGEST_SHOWN:
        return True
    if text.isdecimal() or len(text) < _FEWEST_RUNS:
        return False
    if _HEX_KEY.fullmatch(text):
        return True
    return len([run for run in _RUNS.findall(text) if run.isalnum()]) >= _FEWEST_RUNS


def _decoded(text: str) -> str:
    for _ in range(_ENCODINGS):
        if "%" not in text:
            return text
        text = unquote(text)
    return text


def _digest(text: str) -> str:
    if _HIDDEN.fullmatch(text):
        return text
    return "~" + hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
