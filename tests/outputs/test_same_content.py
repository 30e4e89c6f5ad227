import hashlib
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.same_content import DIGEST, SameContent, digests
from imagebeam.outputs.tfrecord_parts import encode


def _digest(number: int) -> bytes:
    return hashlib.sha256(bytes([number])).digest()


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_a_dictionary(seed: int) -> None:
    rng = random.Random(seed)
    contents = [rng.randrange(rng.choice([2, 20, 200])) for _ in range(rng.randrange(300))]
    halves = [[each for each in contents if each % 2 == half] for half in (0, 1)]
    counted = [
        SameContent.of(np.array([_digest(number) for number in half], DIGEST)) for half in halves
    ]
    groups = {each: count for each, count in Counter(contents).items() if count > 1}
    largest = sorted((-count, _digest(number).hex()) for number, count in groups.items())[:3]
    expected = SameContent(
        sum(groups.values()), len(groups), tuple((digest, -count) for count, digest in largest)
    )
    assert SameContent.total(counted) == SameContent.total(counted[::-1]) == expected
    assert SameContent.total([SameContent.total(counted), SameContent()]) == expected


def test_a_digest_may_end_in_zeros() -> None:
    digest = b"\x01" * 30 + b"\0\0"
    found = SameContent.of(np.frombuffer(digest * 2, DIGEST))
    assert found.as_json() == {
        "images": 2,
        "groups": 1,
        "largest": [{"digest": digest.hex(), "images": 2}],
    }


@pytest.mark.parametrize("name", ["part-1.parquet", "part-1.tfrecord"])
def test_digests_are_read_from_files(tmp_path: Path, name: str) -> None:
    values = [_digest(1).hex(), _digest(2).hex()]
    table = pa.table({"uri": ["a", "b"], "sha256": values})
    if name.endswith(".parquet"):
        # An image whose bytes were not read has none.
        table = pa.concat_tables(
            [table, pa.table({"uri": ["c"], "sha256": pa.nulls(1, pa.string())})]
        )
        pq.write_table(table, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(encode(table))
    [found] = digests(tmp_path / name, "sha256")
    assert found.tobytes() == _digest(1) + _digest(2)
