import gzip
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.sources import Source
from tests.images.listing.manifests.reading import parquet, read, refusal, written


class TestParquet:
    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
    def test_text_columns_are_read(self, tmp_path: Path, kind: Any) -> None:
        names = pa.array(["a.jpg", None, "b\nc.jpg", ""], kind)
        assert read(parquet(tmp_path, {"id": [1, 2, 3, 4], "uri": names})) == [
            ("row=1", "a.jpg"),
            ("row=2", "bad_entry: `uri` is None, not the name of an image"),
            ("row=3", "b\nc.jpg"),
            ("row=4", "bad_entry: `uri` is '', not the name of an image"),
        ]

    def test_rows_are_numbered_across_row_groups(self, tmp_path: Path) -> None:
        names = [f"{index}.jpg" for index in range(1000)]
        found = read(parquet(tmp_path, {"uri": names}, row_group_size=300))
        assert found == [(f"row={index + 1}", name) for index, name in enumerate(names)]

    def test_a_manifest_whose_name_is_not_utf8_is_read(self, tmp_path: Path) -> None:
        path = parquet(tmp_path, {"uri": ["a.jpg"]})
        odd = path.rename(tmp_path / os.fsdecode(b"\xff.parquet"))
        assert read(odd) == [("row=1", "a.jpg")]

    def test_a_table_without_rows_has_no_entries(self, tmp_path: Path) -> None:
        assert read(parquet(tmp_path, {"uri": pa.array([], pa.string())})) == []

    def test_a_missing_uri_column_is_refused(self, tmp_path: Path) -> None:
        assert refusal(parquet(tmp_path, {"url": ["a"]})) == (
            "no column `uri`; it has 'url'. Name the column that holds the images' names with "
            "--uri-column."
        )

    @pytest.mark.parametrize(
        ("values", "kind"), [([1.5], "double"), ([b"a"], "binary"), ([None], "null")]
    )
    def test_a_column_of_another_type_is_refused(
        self, tmp_path: Path, values: list[Any], kind: str
    ) -> None:
        assert refusal(parquet(tmp_path, {"uri": values})) == (
            f"column `uri` holds {kind}, not text. Name the column that holds the images' names "
            "with --uri-column; it has 'uri'."
        )

    def test_a_file_that_is_not_parquet_is_refused(self, tmp_path: Path) -> None:
        found = refusal(written(tmp_path, "list.parquet", b"rubbish" * 10))
        assert found.startswith("not valid Parquet: ")
        assert found.endswith(". Check the file.")

    def test_a_damaged_row_group_loses_only_the_rest(self, tmp_path: Path) -> None:
        names = [f"/folder/{index * 7919 % 1000:04}.jpg" for index in range(200_000)]
        path = parquet(tmp_path, {"uri": names}, row_group_size=50_000, use_dictionary=False)
        data = bytearray(path.read_bytes())
        with pq.ParquetFile(path) as file:
            third = file.metadata.row_group(2).column(0)
        start = third.data_page_offset
        data[start : start + third.total_compressed_size] = bytes(third.total_compressed_size)
        path.write_bytes(data)
        found = read(path)
        # pyarrow returns batches of 65,536 rows, so damage can lose up to that number.
        whole = len(found) - 1
        assert 65_536 <= whole <= 100_000
        assert found[:whole] == [(f"row={row + 1}", names[row]) for row in range(whole)]
        position, problem = found[whole]
        assert position == f"row={whole + 1}"
        assert problem.startswith("listing_failed: the rest cannot be read: ")


class TestHostileTables:
    def test_a_repeated_long_text_is_not_copied(self, tmp_path: Path) -> None:
        """Return a table of 400 MB in a file of some kilobytes."""
        names = pa.DictionaryArray.from_arrays([0] * 4000, ["x" * 100_000])
        pq.write_table(pa.table({"uri": names}), tmp_path / "a.parquet", compression="zstd")
        assert (tmp_path / "a.parquet").stat().st_size < 100_000
        tracemalloc.start()
        with (tmp_path / "a.parquet").open("rb") as file:
            assert sum(1 for _ in manifest_files.read(file, "a.parquet")) == 4000
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        tracemalloc.stop()

    def test_names_that_are_not_utf8_keep_their_bytes(self, tmp_path: Path) -> None:
        raw = pa.array([b"\xff.jpg", b"b.jpg"], pa.binary())
        offsets, data = raw.buffers()[1:]
        odd = pa.StringArray.from_buffers(2, offsets, data)
        pq.write_table(pa.table({"uri": odd, "word": odd}), tmp_path / "a.parquet")
        with (tmp_path / "a.parquet").open("rb") as file:
            found = list(manifest_files.read(file, "a.parquet", {"word": pa.string()}))
        assert [(each.value, each.extra_columns) for each in found] == [
            ("\udcff.jpg", ("\ufffd.jpg",)),
            ("b.jpg", ("b.jpg",)),
        ]

    @pytest.mark.parametrize("suffix", ["gz", "zst"])
    def test_a_truncated_compressed_manifest_is_an_error(self, tmp_path: Path, suffix: str) -> None:
        numbers = random.Random(1).sample(range(1_000_000), 50_000)
        lines = "".join(f"{number}.jpg\n" for number in numbers).encode()
        packed = gzip.compress(lines) if suffix == "gz" else zstandard.compress(lines)
        path = written(tmp_path, f"a.txt.{suffix}", packed[:-2000])
        *found, last = Source("manifest", (str(path),), str(tmp_path))
        assert len(found) > 5_000
        assert (last.uri, last.error and last.error.code) == (str(path), "listing_failed")
