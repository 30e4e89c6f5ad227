"""Test that no bomb takes more memory than its limit in any process, and that each is reported."""

from pathlib import Path

import pytest

from tests.faults.bombs import BOMBS, measure

_LARGEST = 1_000_000_000
"""Generous: twice the limit that the bombs get for decoding, where the largest takes a third."""

_OUTCOMES = {
    "gzip of zeros in a tar": "unsupported_format",
    "40 gzip streams of zeros": "empty_file, archive_limit",
    "bzip2 of zeros in a tar": "unsupported_format",
    "xz of zeros in a tar": "unsupported_format",
    "40 xz streams of zeros": "empty_file, archive_limit",
    "xz that asks for a dictionary of 3 GB": "refused: the xz data breaks after 0 bytes: Memory",
    "zstd of zeros in a tar": "unsupported_format",
    "zstd with a window of 2 GB": "refused: the zstd data breaks after 0 bytes",
    "tar with a PAX header of 8 GB": "unsupported_format, archive_damaged",
    "tar with a name of 8 GB": "unsupported_format, archive_damaged",
    "zip of zeros, deflate": "bad_member",
    "zip of zeros, bzip2": "bad_member",
    "zip of zeros, LZMA": "bad_member",
    "zip that announces 100 bytes": "bad_member",
    "Parquet of 10 M rows of null": "refused: it claims 10,000,000 rows in 23,",
    "Parquet of pictures of zeros": "bad_member",
    "Parquet manifest of long names": "refused: not valid Parquet: 1,002 bytes at byte 4",
    "Parquet manifest of 10 M rows of null": "refused: not valid Parquet: it claims 10,000,000 row",
    "Parquet manifest of 430 bytes that stands for 9 GB": "bad_entry, listing_failed",
    "Parquet of 200 M rows of null": "refused: it claims 200,000,000 rows in 43",
    "Parquet manifest of 200 M rows of null": "refused: not valid Parquet: it claims 200,000,000 r",
    "Parquet manifest of 2,000 columns": "not_found",
    "Parquet manifest of 500 row groups": "not_found",
    "Parquet manifest with a list of 9 M nulls to keep": "bad_entry",
    "Parquet manifest with a list of 40 M nulls to keep": "refused: not valid Parquet: a column of",
    "Parquet of a picture with a list of 40 M nulls to keep": "refused: the columns to keep cannot",
    "Parquet manifest of long texts to keep": "bad_entry",
    "Parquet of pictures with long texts to keep": "bad_member",
    "Arrow manifest of long names": "bad_entry",
    # 983,040 is 15 times the 65,536 bytes that are taken at once.
    "manifest of one line, gzip": "refused: 983,040 bytes decompress to more than 1,000,0",
    "JSON lines of one line, gzip": "refused: 983,040 bytes decompress to more than 1,000,0",
    "PNG of 60,000 × 60,000 pixels": "too_many_pixels",
    "PNG of 10,000 × 10,000 pixels, empty": "truncated",
    "PNG with a text of 64 MB": "corrupt",
    "GIF of 3,000 frames": "read",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_ends_in_rows_or_a_message_and_takes_little_memory(
    tmp_path: Path, what: str
) -> None:
    name, make = BOMBS[what]
    (tmp_path / name).write_bytes(make())
    cost = measure(tmp_path / name)
    assert cost.outcome.startswith(_OUTCOMES[what])
    assert cost.memory < _LARGEST
