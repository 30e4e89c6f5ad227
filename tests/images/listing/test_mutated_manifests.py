"""Test manifests with random damage: listing ends in rows or a refusal."""

import gzip
import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from imagebeam.images.errors import InputError
from imagebeam.images.listing import inputs
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.sources import Source

_CSV = b'uri,x\na.jpg,"b\nc"\n"d.jpg",2\n\n'


def _written(kind: str) -> bytes:
    table = pa.table({"uri": ["a.jpg", "b.jpg"] * 50, "x": [1, 2] * 50})
    buffer = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, buffer)
    else:
        feather.write_feather(table, buffer)
    return buffer.getvalue()


_SEEDS = {
    "a.csv": _CSV,
    "a.csv.gz": gzip.compress(_CSV, mtime=0),
    "a.tsv": b'uri\tx\na.jpg\t"b\n',
    "a.jsonl": b'{"uri":"a.jpg","x":[1,2]}\n"b.jpg"\n',
    "a.json": b'[{"uri":"a.jpg"},\n"b"]',
    "a.txt": b"a.jpg\nhttps://h/b.jpg?x=1\n",
    "a.lst": b"0\t1\ta.jpg\n",
    "list": b'["a.jpg"]',
    "a.parquet": _written("parquet"),
    "a.feather": _written("feather"),
}
_PIECES = (b'"', b"\n", b"\0", b"\xff", b",", b"\r", b"{", b"[", b"\xff\xfe", b"//", b"data:")
_NUMBERS = (0, -1, 2**31 - 1, 2**31, 2**62)


def _mutated(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(5):
            case 0:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del found[at : at + rng.randrange(8)]
            case 2:
                found[at:at] = rng.choice(_PIECES) * rng.choice([1, 1, 1, 50, 3000])
            case 3:
                number = rng.choice(_NUMBERS).to_bytes(8, "little", signed=True)
                found[at : at + 8] = number[: rng.choice([4, 8])]
            case _:
                found = found[:at] or bytearray(b"x")
    return bytes(found)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", _SEEDS)
def test_listing_a_mutated_manifest_ends_in_rows_or_a_refusal(
    tmp_path: Path, name: str, seed: int
) -> None:
    rng = random.Random(f"{name} {seed}")
    path = tmp_path / name
    for _ in range(20):
        path.write_bytes(_mutated(_SEEDS[name], rng))
        keep = {"x": pa.int64()} if rng.random() < 0.3 else {}
        digest = rng.choice([None, None, "x"])
        rules = ListingRules(entries=EntryRules(digest_column=digest))
        for image in Source("manifest", (str(path),), str(tmp_path), keep=keep, rules=rules):
            image.uri.encode("utf-8")
            assert image.error is None or image.error.code != "listing_defect", image.error
        assert "defect of imagebeam" not in _refusal(path, list(keep), rules)


def _refusal(path: Path, keep: list[str], rules: ListingRules) -> str:
    try:
        inputs.sources([str(path)], keep=keep, rules=rules)
    except InputError as error:
        return str(error)
    return ""
