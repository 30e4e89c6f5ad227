import base64
import hashlib

import pytest

from imagebeam.images.digests import DIGEST_BYTES, digest_of, stated_digest, verify_digest
from imagebeam.images.errors import BadManifestEntry, DigestMismatch

_DATA = b"a picture"


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_every_usual_spelling_is_read(kind: str) -> None:
    digest = hashlib.new(kind, _DATA, usedforsecurity=False).digest()
    coded = base64.b64encode(digest).decode()
    spellings: tuple[str | bytes, ...] = (
        *(digest.hex(), digest.hex().upper(), f" {digest.hex()}\n", f"{kind}:{digest.hex()}"),
        *(coded, f"{kind}-{coded}", f"{kind.upper()}:{digest.hex()}", digest),
    )
    for spelling in spellings:
        assert stated_digest(spelling, "d") == f"{kind}:{digest.hex()}"
    verify_digest(_DATA, f"{kind}:{digest.hex()}")


@pytest.mark.parametrize(
    "value", [None, "", "  ", "abc", "z" * 63, "0" * 63, 17, "md5:" + "0" * 64, b"short", "é" * 32]
)
def test_other_values_are_bad_entries(value: object) -> None:
    with pytest.raises(BadManifestEntry) as caught:
        stated_digest(value, "d")
    assert str(caught.value) == f"`d` is {value!r}, not a digest (MD5, SHA-1 or SHA-2)"


def test_a_difference_names_both_digests() -> None:
    found, wanted = hashlib.sha256(_DATA).hexdigest(), "0" * 64
    with pytest.raises(DigestMismatch) as caught:
        verify_digest(_DATA, f"sha256:{wanted}")
    assert str(caught.value) == f"its sha256 is {found}, and the manifest says {wanted}"


def test_rows_get_the_digest_of_the_bytes() -> None:
    assert digest_of(_DATA, "sha256") == hashlib.sha256(_DATA).digest()
    assert len(digest_of(_DATA, "sha256")) == DIGEST_BYTES
