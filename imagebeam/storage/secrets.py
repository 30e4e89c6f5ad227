"""Find secrets in addresses, and name objects without them.

A web address may hold a user, a password, a signature or a key. `without_secrets` gives the name
under which an address appears in rows. A digest replaces each hidden part of a name, so that
different addresses keep different names.
"""

import hashlib
import re
import unicodedata
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from imagebeam.storage.uris import is_plain, scheme

HideQuery = Literal["secret", "all", "none"]
"""Which values of a query rows hide: those that may be secret, all, or none."""

_SIGNATURE = re.compile(r"(x-[a-z]+-)?(signature|sig)", re.IGNORECASE)
_SIGNING = re.compile(
    # AWS, Google and others; CloudFront; Azure.
    r"x-[a-z]+-.*|(signature|expires|policy|key-pair-id)|(aws|oss)accesskeyid|googleaccessid"
    r"|sig|s[veirtps]|s(rt|pr|ip)|sk(oid|tid|t|e|s|v)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"key|sig|token|secret|pass|pw|auth|cred|code|sess|hdnt|hdnea|hmac|jwt|ticket|otp|nonce"
    r"|access(?!ion)|policy|private|bearer|csrf|verify|user|login|email|cookie|(pin|sid|sas|ak)$"
    r"|^(k|tk|sk|hm|oh)$",
    re.IGNORECASE,
)
_INNER_NAME = re.compile(r"([\w.-]{1,64})['\"]?\s{0,3}[=:]")
KNOWN_TOKEN = re.compile(
    r"\b(?:hf_|gh[opsru]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|AIza|KGAT_|eyJ[\w-]+\.)[\w.-]{8,}"
)
"""Tokens of Hugging Face, GitHub, GitLab, Slack, AWS, Google and Kaggle, and JSON web tokens."""

_LONGEST_SHOWN = 24
"""Characters of a value: a longer one may be a key under a name that is not known here."""

_HEX_KEY = re.compile(r"(?=.*[a-f])(?=.*[0-9])[0-9a-f-]{16,}", re.IGNORECASE)
_RUNS = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[^a-zA-Z0-9]+")
_FEWEST_RUNS = 6
"""A word in which letters, capitals and digits change this often is taken for random."""

# A URL with a user or a query that is taken for a local path, because of a quote before it, of
# backslashes, or of a slash too few.
_MISTYPED_URL = re.compile(
    r"(\b(?:https?|ftp|s3|gs):[/\\]{0,3}|^//)((?=[^/\\]{0,1024}@|.{0,4096}\?).+)", re.IGNORECASE
)

_HIDDEN = re.compile(r"~[0-9a-f]{16}")
_ENCODINGS = 10
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
    user, _, host = parts.netloc.rpartition("@")
    if (parts.path and not host) or (user and "@" in parts.path):
        # The end of a password with a slash is uncertain.
        return f"{kind}://{_digest(address)}"
    path = _without_path_secrets(parts.path)
    return urlunsplit((parts.scheme, host, path, _shown_query(parts.query, hide), ""))


def member_without_secrets(name: str) -> str:
    """Return the name of an archive's member without the secrets of the address that it may be."""
    if not is_plain(name):
        # Members whose names differ in a signature alone are different pictures.
        start = name.partition("?")[0].partition("#")[0]
        return f"{without_secrets(start)}?{_digest(name)}" if holds_secrets(name) else name
    return _without_secret_query(_MISTYPED_URL.sub(lambda m: f"{m[1]}{_digest(m[2])}", name))


def holds_secrets(address: str) -> bool:
    """Return whether an address holds something that its name leaves out."""
    return without_secrets(address) != address.partition("#")[0]


PATH_PARAMETER = re.compile(r"(;|%3B)([\w.%-]+?)(=|%3D)([^;/]*)", re.IGNORECASE)
"""Separator, name, sign and value of a parameter in a path."""

USER_IN_PATH = re.compile(r"/[^:/@]+:[^/@]+@[^/]*")
"""User, password and host that were taken for a path, because of a slash too few."""

_NAMED_IN_PATH = re.compile(r"([/,&]|%2F|%2C|%26|%3F)([\w.-]+)(=|%3D)([^;/,&%]+)", re.IGNORECASE)
"""Part of a path that is rarely a secret: only its name counts."""


def _without_path_secrets(path: str) -> str:
    def parameter(match: re.Match[str]) -> str:
        before, name, sign, value = match.groups()
        is_secret = may_be_secret(name, value)
        return f"{before}{name}{sign}{_digest(value)}" if is_secret else match[0]

    def named(match: re.Match[str]) -> str:
        before, name, sign, value = match.groups()
        return f"{before}{name}{sign}{_digest(value)}" if _is_secret_name(name) else match[0]

    path = USER_IN_PATH.sub(lambda match: f"/{_digest(match[0])}", path)
    path = _NAMED_IN_PATH.sub(named, PATH_PARAMETER.sub(parameter, path))
    return KNOWN_TOKEN.sub(lambda match: _digest(match[0]), path)


def _bucket_name(address: str) -> str:
    """Return the name of an object in a bucket."""
    head, _, rest = address.partition("://")
    bucket, slash, name = rest.partition("/")
    bucket = bucket.rpartition("@")[2]
    if ":" in bucket:
        # A key with a slash, KEY:SE/CRET@bucket, or without a bucket: its end is uncertain.
        return f"{head}://{_digest(address)}"
    return _without_secret_query(f"{head}://{bucket}{slash}{name}")


def _without_secret_query(name: str) -> str:
    """Return a name, whose `?` is part of it, with a digest in place of a query with a secret."""
    query = re.split("[?#]", name, maxsplit=1)[1:]
    names = [part.partition("=")[0] for each in query for part in each.split("&") if "=" in part]
    if not any(map(_is_secret_name, names)):
        return name
    return f"{name.removesuffix(query[0])}{_digest(query[0])}"


def _shown_query(query: str, hide: HideQuery) -> str:
    parameters = [part for part in query.split("&") if part]
    names = [decoded(part.partition("=")[0]) for part in parameters]
    if any(map(_SIGNATURE.fullmatch, names)):
        kept = zip(parameters, names, strict=True)
        parameters = [part for part, name in kept if not _SIGNING.fullmatch(name)]
    match hide:
        case "none":
            return "&".join(parameters)
        case "all":
            return _digest("&".join(parameters)) if parameters else ""
        case "secret":
            return "&".join(
                ";".join(map(_shown_parameter, filter(None, part.split(";"))))
                for part in parameters
            )


def _shown_parameter(parameter: str) -> str:
    name, sign, value = parameter.partition("=")
    if not name or not sign:
        return _digest(parameter)
    shown = _digest(name) if _looks_random(decoded(name)) else name
    return f"{shown}={_digest(value) if may_be_secret(name, value) else value}"


def may_be_secret(name: str, value: str) -> bool:
    """Return whether the name of a parameter or header, or its value, looks like a secret."""
    if not value:
        return False
    value = decoded(value)
    names = (name, *_INNER_NAME.findall(value))
    return any(map(_is_secret_name, names)) or _looks_random(value)


def _is_secret_name(name: str) -> bool:
    """Return whether a name is one that secrets have, however it is spelt."""
    spelt = unicodedata.normalize("NFKD", decoded(name))
    return _SECRET_NAME.search("".join(filter(str.isalnum, spelt))) is not None


def _looks_random(text: str) -> bool:
    if len(text) > _LONGEST_SHOWN or KNOWN_TOKEN.search(text):
        return True
    if text.isdecimal() or len(text) < _FEWEST_RUNS:
        return False
    if _HEX_KEY.fullmatch(text):
        return True
    return len([run for run in _RUNS.findall(text) if run.isalnum()]) >= _FEWEST_RUNS


def decoded(text: str) -> str:
    """Return a text without percent-encoding, however often it was encoded."""
    for _ in range(_ENCODINGS):
        if "%" not in text:
            return text
        text = unquote(text)
    return text


def _digest(text: str) -> str:
    if _HIDDEN.fullmatch(text):
        return text
    return "~" + hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
