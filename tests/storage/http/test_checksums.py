import base64
import hashlib

import pytest
from urllib3 import HTTPHeaderDict

from imagebeam.storage.errors import WrongChecksum
from imagebeam.storage.http.responses import verify_checksums

_BODY = b"123456789"
_MD5 = base64.b64encode(hashlib.md5(_BODY).digest()).decode()
_SHA256 = base64.b64encode(hashlib.sha256(_BODY).digest()).decode()
_SHA512 = base64.b64encode(hashlib.sha512(_BODY).digest()).decode()
# The check value of CRC-32C in every catalogue: 0xE3069283.
_CRC32C = "4waSgw=="

_HEADERS = [
    ("Content-MD5", _MD5, "md5"),
    ("Digest", f"SHA-256={_SHA256}", "sha-256"),
    ("Digest", f"crc32c={_CRC32C},md5={_MD5}", "crc32c"),
    ("Repr-Digest", f"sha-512=:{_SHA512}:", "sha-512"),
    ("Content-Digest", f"sha-256=:{_SHA256}:;x=1", "sha-256"),
    ("x-goog-hash", f"crc32c={_CRC32C}, md5={_MD5}", "crc32c"),
]


@pytest.mark.parametrize(("header", "value", "name"), _HEADERS)
def test_only_matching_bytes_pass(header: str, value: str, name: str) -> None:
    headers = HTTPHeaderDict({header: value})
    verify_checksums(headers, _BODY)
    with pytest.raises(WrongChecksum, match=f"^its {name} is not the one that the server"):
        verify_checksums(headers, _BODY + b"0")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Digest": "adler32=03da0195"},
        {"Digest": "md5"},
        {"Digest": "md5=not base64"},
        {"Content-MD5": "ü"},
        {"Content-MD5": ""},
        {"x-goog-hash": f"md5={_MD5}", "x-goog-stored-content-encoding": "gzip"},
    ],
)
def test_other_headers_are_ignored(headers: dict[str, str]) -> None:
    verify_checksums(HTTPHeaderDict(headers), b"anything")


def test_a_repeated_google_header_is_read() -> None:
    headers = HTTPHeaderDict()
    headers.add("x-goog-hash", f"crc32c={_CRC32C}")
    headers.add("x-goog-hash", f"md5={_MD5}")
    headers.add("x-goog-stored-content-encoding", "identity")
    verify_checksums(headers, _BODY)
    with pytest.raises(WrongChecksum):
        verify_checksums(headers, b"")
