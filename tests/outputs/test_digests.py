import hashlib

import numpy as np

from imagebeam.outputs.account import uri_digest
from imagebeam.outputs.digests import DIGEST, is_in, uri_digests


def test_an_array_holds_the_digest_of_each_name() -> None:
    found = uri_digests(["a", "b"])
    assert found.tobytes() == b"".join(
        hashlib.blake2b(name, digest_size=16).digest() for name in (b"a", b"b")
    )
    assert int.from_bytes(found[1:].tobytes(), "big") == uri_digest("b")


def test_digests_are_found_among_sorted_ones() -> None:
    found = uri_digests(["a", "b", "c"])
    known = np.sort(found[[0, 2]])
    assert is_in(found, known).tolist() == [True, False, True]
    assert is_in(found, known[:0]).tolist() == [False] * 3
    assert is_in(np.empty(0, DIGEST), known).tolist() == []
