import gzip
import io
import itertools
import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyarrow import feather

from imagebeam.images.errors import ListingError
from imagebeam.images.listing.manifests import csv_records, manifest_files
from imagebeam.images.listing.manifests.entries import ManifestEntry, ManifestError
from imagebeam.images.listing.sources import Source

Found = list[tuple[str, str]]


def read(path: Path) -> Found:
    """Return position and name of each entry; code and message if there is no name."""
    with path.open("rb") as file:
        return [
            (entry.position, entry.value)
            if isinstance(entry.value, str)
            else (entry.position, f"{entry.value.code}: {entry.value}")
            for entry in manifest_files.read(file, path.name)
            if entry.value is not None
        ]


def entries(path: Path) -> list[ManifestEntry]:
    with path.open("rb") as file:
        return list(manifest_files.read(file, path.name))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "list.parquet", **options)
    return folder / "list.parquet"


def refusal(path: Path) -> str:
    with path.open("rb") as file, pytest.raises(ManifestError) as caught:
        list(manifest_files.read(file, path.name))
    return str(caught.value)


class TestLines:
    def test_each_line_is_a_name(self, tmp_path: Path) -> None:
        path = written(tmp_path, "list.txt", "b.jpg\n a b.jpg \n/c#d?e%20.jpg\ngs://f/g.jpg\n")
        assert read(path) == [
            ("line=1", "b.jpg"),
            ("line=2", " a b.jpg "),
            ("line=3", "/c#d?e%20.jpg"),
            ("line=4", "gs://f/g.jpg"),
        ]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_any_line_ending_is_read_and_blank_lines_are_skipped(
        self, tmp_path: Path, end: str
    ) -> None:
        path = written(tmp_path, "list.txt", end.join(["", "a.jpg", "", "", "b.jpg"]))
        assert read(path) == [("line=2", "a.jpg"), ("line=5", "b.jpg")]

    @pytest.mark.parametrize("name", ["list.txt", "list.TXT", "stdin"])
    def test_a_byte_order_mark_is_not_part_of_a_name(self, tmp_path: Path, name: str) -> None:
        path = written(tmp_path, name, b"\xef\xbb\xbfa.jpg\n")
        assert read(path) == [("line=1", "a.jpg")]

    def test_names_that_are_not_utf8_keep_their_bytes(self, tmp_path: Path) -> None:
        [(_, name)] = read(written(tmp_path, "list.txt", b"\xff\xe9.jpg\n"))
        assert os.fsencode(name) == b"\xff\xe9.jpg"

    @pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.csv.gz", "list.jsonl"])
    def test_an_empty_file_has_no_entries(self, tmp_path: Path, name: str) -> None:
        assert read(written(tmp_path, name, "\n\n")) == []
        assert read(written(tmp_path, name, "")) == []

    @pytest.mark.parametrize("end", ["", "\0"])
    def test_names_that_find_prints_with_nul_bytes_are_read(self, tmp_path: Path, end: str) -> None:
        text = "./a.jpg\0./new\nline.jpg\0" + "./b/ü.jpg\0" * 20_000 + "c.jpg" + end
        found = read(written(tmp_path, "list.txt", text))
        assert found[:3] == [
            ("item=1", "./a.jpg"),
            ("item=2", "./new\nline.jpg"),
            ("item=3", "./b/ü.jpg"),
        ]
        assert found[-1] == ("item=20003", "c.jpg")
        assert len(found) == 20_003

    def test_nul_bytes_that_pad_a_list_separate_nothing(self, tmp_path: Path) -> None:
        path = written(tmp_path, "list.txt", "a.jpg\nb.jpg\n" + "\0" * 100)
        assert read(path)[:2] == [("line=1", "a.jpg"), ("line=2", "b.jpg")]
        assert len(read(path)) == 3


class TestCsv:
    def test_the_column_uri_can_be_at_any_position(self, tmp_path: Path) -> None:
        path = written(tmp_path, "list.csv", 'id,uri,x\n1,a.jpg,\n2,"b,c.jpg",z\n')
        assert read(path) == [("line=2", "a.jpg"), ("line=3", "b,c.jpg")]

    def test_byte_order_marks_line_endings_quotes_and_blank_lines_are_read(
        self, tmp_path: Path
    ) -> None:
        content = '\ufeffuri\r\n\r\n"a ""b"".jpg"\r\n"c\r\nd\n.jpg"\r\ne.jpg\r\n'
        assert read(written(tmp_path, "list.CSV", content)) == [
            ("line=3", 'a "b".jpg'),
            ("line=4", "c\r\nd\n.jpg"),
            ("line=7", "e.jpg"),
        ]

    def test_rows_without_a_name_are_errors(self, tmp_path: Path) -> None:
        path = written(tmp_path, "list.csv", 'id,uri\n1\n2,\n3,a.jpg,more\n4,"b"c\n5,d.jpg\n')
        assert read(path) == [
            ("line=2", "bad_entry: `uri` is None, not the name of an image"),
            ("line=3", "bad_entry: `uri` is '', not the name of an image"),
            ("line=4", "bad_entry: 3 cells, the header has 2: '3,a.jpg,more'"),
            ("line=5", "bad_entry: a closing quote is followed by text: '4,\"b\"c'"),
            ("line=6", "d.jpg"),
        ]

    def test_rows_of_delimiters_are_blank(self, tmp_path: Path) -> None:
        found = entries(written(tmp_path, "list.csv", 'id,uri\n1,a.jpg\n,\n"", \n\n'))
        assert [each.value for each in found] == ["a.jpg", None, None, None]

    @pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\f"])
    def test_a_header_that_ends_in_another_line_separator_is_refused(
        self, tmp_path: Path, separator: str
    ) -> None:
        path = written(tmp_path, "list.csv", f"uri,x{separator}a.jpg,1\nb.jpg,2\n")
        code = f"U+{ord(separator):04X}"
        assert refusal(path).startswith(f"the line of its header holds {code}, ")

    def test_separators_around_a_header_are_blanks(self, tmp_path: Path) -> None:
        path = written(tmp_path, "list.csv", "\fx,uri\u2028\n1,a.jpg\n")
        assert read(path) == [("line=2", "a.jpg")]

    def test_lines_after_an_unclosed_quote_are_read_alone_if_they_look_like_rows(
        self, tmp_path: Path
    ) -> None:
        text = 'uri,x\na.jpg,1\nb.jpg,"oops\nc.jpg,2\n\nd.jpg,3\n'
        path = written(tmp_path, "list.csv", text)
        reason = "a quote is never closed; lines 4 to 6 are read alone"
        assert read(path) == [
            ("line=2", "a.jpg"),
            ("line=3", f"bad_entry: {reason}: 'b.jpg,\"oops'"),
            ("line=4", "c.jpg"),
            ("line=6", "d.jpg"),
        ]
        assert [each.lines_lost for each in entries(path)] == [0, 0, 0, 0, 0]

    def test_lines_after_an_unclosed_quote_that_look_like_text_are_counted(
        self, tmp_path: Path
    ) -> None:
        text = 'uri,x\na.jpg,1\nb.jpg,"some text\nand, as it goes on, more\nc.jpg,2\n'
        path = written(tmp_path, "list.csv", text)
        assert read(path) == [
            ("line=2", "a.jpg"),
            ("line=3", "bad_entry: lines 3 to 5: a quote is never closed: 'b.jpg,\"some text'"),
        ]
        assert [each.lines_lost for each in entries(path)] == [0, 2]

    def test_reading_continues_after_a_stray_quote(self, tmp_path: Path) -> None:
        text = 'uri,x\na.jpg,"oops\nb.jpg,1\nc.jpg,"fine"\nd.jpg,2\n'
        reason = "a closing quote is followed by text"
        assert read(written(tmp_path, "list.csv", text)) == [
            ("line=2", f"bad_entry: {reason}; lines 3 to 4 are read alone: 'a.jpg,\"oops'"),
            ("line=3", "b.jpg"),
            ("line=4", "c.jpg"),
            ("line=5", "d.jpg"),
        ]
        text = 'uri,x\na.jpg,"oops\nb.jpg,1\nc.jpg,"again\nd.jpg,"3"\n'
        assert read(written(tmp_path, "list.csv", text)) == [
            ("line=2", f"bad_entry: {reason}; lines 3 to 4 are read alone: 'a.jpg,\"oops'"),
            ("line=3", "b.jpg"),
            ("line=4", f"bad_entry: {reason}; the next line is read alone: 'c.jpg,\"again'"),
            ("line=5", "d.jpg"),
        ]
        text = 'uri,x\na.jpg,"oops\nb.jpg\nc.jpg,"fine"\nd.jpg,2\n'
        assert read(written(tmp_path, "list.csv", text)) == [
            ("line=2", f"bad_entry: lines 2 to 4: {reason}: 'a.jpg,\"oops'"),
            ("line=5", "d.jpg"),
        ]

    def test_lines_of_a_long_cell_are_not_entries(self, tmp_path: Path) -> None:
        text = "x" * 140_000 + "\n/etc/passwd\n" + "y" * 140_000
        path = written(tmp_path, "list.csv", f'uri,note\na.jpg,"{text}"\nb.jpg,1\n')
        assert read(path) == [("line=2", "a.jpg"), ("line=5", "b.jpg")]

    def test_a_record_of_more_than_the_limit_is_an_error(self) -> None:
        text = io.StringIO('a,"' + "x" * 30 + '"\n' + "y" * 50 + "\nb,1\n", newline="")
        found = list(csv_records.records(csv_records.lines(text, 40), ","))
        assert [(each.first, list(each.cells), bool(each.error)) for each in found] == [
            (1, ["a", "x" * 30], False),
            (2, [], True),
            (3, ["b", "1"], False),
        ]

    def test_a_cell_of_many_short_lines_takes_bounded_memory(self) -> None:
        count = 2_000_000
        most = csv_records.MOST_CHARACTERS
        text = itertools.chain(
            [csv_records.Line(1, 'a,"')],
            (csv_records.Line(number, "") for number in range(2, count)),
            [csv_records.Line(count, '"'), csv_records.Line(count + 1, "b,1")],
        )
        tracemalloc.start()
        found = list(csv_records.records(text, ","))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [(each.first, each.last, list(each.cells)) for each in found] == [
            (1, count, []),
            (count + 1, count + 1, ["b", "1"]),
        ]
        assert peak < 15 * most

    @pytest.mark.parametrize(("name", "delimiter"), [("list.csv", ";"), ("list.tsv", "\t")])
    def test_other_delimiters_are_read_if_the_header_uses_them(
        self, tmp_path: Path, name: str, delimiter: str
    ) -> None:
        text = f"id{delimiter} uri \n1{delimiter}a.jpg\n"
        assert read(written(tmp_path, name, text)) == [("line=2", "a.jpg")]

    def test_a_quote_in_tsv_is_text_unless_it_encloses_a_cell(self, tmp_path: Path) -> None:
        text = 'uri\tcaption\na.jpg\t"unclosed\n"b ""1"".jpg"\tx\n'
        found = read(written(tmp_path, "list.tsv", text))
        assert found == [("line=2", "a.jpg"), ("line=3", 'b "1".jpg')]

    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
    def test_the_line_that_names_the_separator_for_excel(self, tmp_path: Path, first: str) -> None:
        path = written(tmp_path, "a.csv", f"\ufeff{first}\r\nuri;id\r\na.jpg;1\r\n")
        assert read(path) == [("line=3", "a.jpg")]

    def test_two_columns_of_the_name(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "uri,id,uri\na.jpg,1,b.jpg\n")
        assert refusal(path) == "2 columns are called `uri`. Rename one."
        table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["uri", "uri"])
        pq.write_table(table, tmp_path / "a.parquet")
        assert refusal(tmp_path / "a.parquet") == "2 columns are called `uri`. Rename one."

    def test_columns_with_the_same_name_are_not_kept(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "uri,id,id\na.jpg,1,2\n")
        with path.open("rb") as file:
            assert list(manifest_files.columns(file, "a.csv")) == ["uri"]

    @pytest.mark.parametrize(
        ("content", "columns"),
        [("URI,b\n", "'URI', 'b'"), ("a.jpg\nb.jpg\n", "'a.jpg'")],
    )
    def test_a_missing_uri_column_is_refused(
        self, tmp_path: Path, content: str, columns: str
    ) -> None:
        assert refusal(written(tmp_path, "list.csv", content)) == (
            f"no column `uri`; it has {columns}. Name the column that holds the images' names with "
            "--uri-column. If the first line is not a header, write one above it, or give "
            "--uri-column the name of the image in that line."
        )

    @pytest.mark.parametrize("column", ["a.jpg", "https://example.org/1"])
    def test_a_table_without_a_header_loses_no_line(self, tmp_path: Path, column: str) -> None:
        path = written(tmp_path, "list.csv", f"cat;{column}\ndog;b.jpg\n")
        with path.open("rb") as file:
            found = manifest_files.read(file, path.name, {"cat": pa.string()}, column)
            assert [(each.value, each.extra_columns) for each in found] == [
                (column, ("cat",)),
                ("b.jpg", ("dog",)),
            ]

    def test_a_name_in_the_header_can_span_lines(self, tmp_path: Path) -> None:
        text = '"a\n\nb, c","uri"\n1,a.jpg\n"2\n3",b.jpg\n'
        assert read(written(tmp_path, "list.csv", text)) == [
            ("line=4", "a.jpg"),
            ("line=5", "b.jpg"),
        ]

    @pytest.mark.parametrize("rows", [1, 300])
    def test_a_stray_quote_in_the_header_takes_no_lines(self, tmp_path: Path, rows: int) -> None:
        text = 'uri,5" screen\n' + "".join(f"{number}.jpg,x\n\n" for number in range(rows))
        found = entries(written(tmp_path, "list.csv", text))
        assert [each.value for each in found] == [
            name for number in range(rows) for name in (f"{number}.jpg", None)
        ]
        assert [each.position for each in found] == [f"line={n + 2}" for n in range(2 * rows)]

    def test_a_header_that_is_not_csv_is_refused(self, tmp_path: Path) -> None:
        assert refusal(written(tmp_path, "list.csv", '"a"b,uri\n')) == (
            "not valid CSV: a closing quote is followed by text. Save it as comma-separated UTF-8."
        )


class TestJsonLines:
    def test_objects_and_plain_strings_are_read(self, tmp_path: Path) -> None:
        path = written(
            tmp_path, "list.jsonl", '\ufeff{"uri": "a.jpg", "id": 1}\r\n\r\n"b\\nc.jpg"\r\n'
        )
        assert read(path) == [("line=1", "a.jpg"), ("line=3", "b\nc.jpg")]

    def test_invalid_lines_are_errors(self, tmp_path: Path) -> None:
        lines = ['{"uri": null}', '{"url": "a"}', '{"uri": ""}', "3", "{", "null", '["a"]', '"d"']
        found = read(written(tmp_path, "list.jsonl", "\n".join(lines)))
        none = "bad_entry: `uri` is None, not the name of an image"
        assert found == [
            ("line=1", none),
            ("line=2", none),
            ("line=3", "bad_entry: `uri` is '', not the name of an image"),
            ("line=4", "bad_entry: `uri` is 3, not the name of an image"),
            (
                "line=5",
                "bad_entry: not valid JSON: Expecting property name enclosed in double quotes: "
                "line 1 column 2 (char 1)",
            ),
            ("line=6", "bad_entry: `null`, not the name of an image"),
            ("line=7", "bad_entry: `uri` is ['a'], not the name of an image"),
            ("line=8", "d"),
        ]

    @pytest.mark.parametrize("line", ["[" * 100_000, "1" * 10_000, '"\xff', b"\xff\xfe".hex()])
    def test_lines_that_break_a_parser_are_errors(self, tmp_path: Path, line: str) -> None:
        path = written(tmp_path, "list.jsonl", f'{line}\n"a.jpg"\n')
        first, second = read(path)
        assert first[1].startswith("bad_entry: ")
        assert second == ("line=2", "a.jpg")

    def test_escapes_that_are_not_text_are_kept(self, tmp_path: Path) -> None:
        [(_, name)] = read(written(tmp_path, "list.jsonl", '"\\ud800.jpg"'))
        assert name == json.loads('"\\ud800.jpg"')


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
        ("values", "kind"), [([1], "int64"), ([b"a"], "binary"), ([None], "null")]
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


class TestAnyManifest:
    @pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
    @pytest.mark.parametrize("encoding", ["utf-32", "utf-16", "utf-16-le", "utf-16-be"])
    def test_utf16_is_read(self, tmp_path: Path, name: str, encoding: str) -> None:
        text = '"a.jpg"\r\n' if name == "list.jsonl" else "uri\r\na.jpg\r\n"
        assert read(written(tmp_path, name, text.encode(encoding)))[-1][1] == "a.jpg"

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "a.tsv.gz", "a.jsonl.gz", "a.txt.gz"])
    def test_compressed_manifests(self, tmp_path: Path, name: str) -> None:
        text = {"jsonl": '"a.jpg"\n', "txt": "a.jpg\n"}.get(name.split(".")[1], "uri\na.jpg\n")
        path = written(tmp_path, name, gzip.compress(text.encode()))
        assert [name for _, name in read(path)] == ["a.jpg"]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16_of_other_scripts_is_read(self, tmp_path: Path, encoding: str) -> None:
        names = ["写真/日本語の名前_一.jpg", "фото/Ёж.jpg"]
        found = read(written(tmp_path, "a.txt", "\n".join(names).encode(encoding)))
        assert [name for _, name in found] == names

    @pytest.mark.parametrize(
        "text",
        [
            '{\n  "images": [\n    {"file_name": "a.jpg"}\n  ]\n}\n',
            '[\n{"uri": "a.jpg"},\n{"uri": "b.jpg"},\n]\n',
            '{"info": {}, "images": [{"file_name": "a.jpg"}], "annotations": []}',
        ],
    )
    def test_json_of_another_form_is_refused_with_the_form(self, tmp_path: Path, text: str) -> None:
        path = written(tmp_path, "coco.json", text)
        with path.open("rb") as file, pytest.raises(ManifestError) as caught:
            manifest_files.columns(file, path.name)
        assert str(caught.value).endswith(
            "Write one name or object per line, or one array of them. For an array inside an "
            "object, as in COCO's files: `jq -c '.images[]' coco.json > list.jsonl`."
        )

    def test_a_json_array_is_read(self, tmp_path: Path) -> None:
        text = '[\n  {"uri": "a.jpg"},\n  "b.jpg",\n null]\n'
        assert read(written(tmp_path, "a.json", text)) == [
            ("item=1", "a.jpg"),
            ("item=2", "b.jpg"),
            ("item=3", "bad_entry: `null`, not the name of an image"),
        ]

    def test_an_arrow_file_is_read(self, tmp_path: Path) -> None:
        table = pa.table({"uri": pa.array(["a.jpg", None]).dictionary_encode()})
        feather.write_feather(table, str(tmp_path / "a.feather"))
        assert read(tmp_path / "a.feather") == [
            ("row=1", "a.jpg"),
            ("row=2", "bad_entry: `uri` is None, not the name of an image"),
        ]

    def test_an_arrow_stream(self, tmp_path: Path) -> None:
        table = pa.table({"uri": ["a.jpg", "b.jpg"]})
        buffer = io.BytesIO()
        with pa.ipc.new_stream(buffer, table.schema) as stream:
            stream.write_table(table, max_chunksize=1)
        data = buffer.getvalue()
        path = written(tmp_path, "a.arrow", data)
        assert read(path) == [("row=1", "a.jpg"), ("row=2", "b.jpg")]
        # Behind the first batch comes part of the second one.
        cut = read(written(tmp_path, "b.arrow", data[:-40]))
        assert cut[0] == ("row=1", "a.jpg")
        assert cut[1][0] == "row=2"
        assert cut[1][1].startswith("listing_failed: the rest cannot be read")

    def test_the_name_column_of_mxnet_lists_is_read(self, tmp_path: Path) -> None:
        assert read(written(tmp_path, "a.lst", "0\t3.0\tx/a.jpg\nb.jpg\n")) == [
            ("line=1", "x/a.jpg"),
            ("line=2", "b.jpg"),
        ]

    def test_problems_are_listing_errors(self, tmp_path: Path) -> None:
        [entry] = manifest_files.read(io.BytesIO(b"3"), "a.jsonl")
        assert isinstance(entry.value, ListingError)


class TestKeptColumns:
    CSV = b'uri,id,"a label"\na.jpg,007,cat\n\nb.jpg,8\n'
    JSONL = (
        b'{"uri": "a.jpg", "id": 7, "weight": 1, "tags": ["x"]}\n'
        b'"b.jpg"\n'
        b'{"uri": "c.jpg", "id": null, "weight": 0.5, "mixed": 1}\n'
        b'{"uri": "d.jpg", "mixed": "one"}\n'
    )

    def kept(self, data: bytes, suffix: str, *names: str) -> list[tuple[Any, ...]]:
        found = manifest_files.columns(io.BytesIO(data), f"a{suffix}")
        keep = {name: found[name] for name in names}
        entries = manifest_files.read(io.BytesIO(data), f"a{suffix}", keep)
        return [entry.extra_columns for entry in entries if entry.value is not None]

    def test_csv_columns_are_text(self) -> None:
        assert manifest_files.columns(io.BytesIO(self.CSV), "a.csv") == {
            "uri": pa.string(),
            "id": pa.string(),
            "a label": pa.string(),
        }
        assert self.kept(self.CSV, ".csv", "a label", "id") == [
            ("cat", "007"),
            (None, "8"),
        ]

    def test_jsonl_columns_have_the_types_of_the_first_lines(self) -> None:
        assert manifest_files.columns(io.BytesIO(self.JSONL), "a.jsonl") == {
            "uri": pa.string(),
            "id": pa.int64(),
            "weight": pa.float64(),
            "tags": pa.list_(pa.string()),
            "mixed": pa.int64(),
        }
        assert self.kept(self.JSONL, ".jsonl", "id", "weight", "tags") == [
            (7, 1, ["x"]),
            (None, None, None),
            (None, 0.5, None),
            (None, None, None),
        ]

    def test_a_value_of_another_type_is_an_error(self) -> None:
        lines = io.BytesIO(b'{"uri": "a", "id": 1}\n{"uri": "b", "id": "x"}\n{"uri": "c", "id": 3}')
        first, second, third = manifest_files.read(lines, "a.jsonl", {"id": pa.int64()})
        assert first == ManifestEntry("line=1", "a", (1,))
        assert third == ManifestEntry("line=3", "c", (3,))
        assert isinstance(second.value, ListingError)
        assert str(second.value) == "`id` is 'x', and not int64 as above it"

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            ('"\\ud800x"', "\ufffdx"),
            ('{"\\udfff": 1}', {"\ufffd": 1}),
            ("{}", None),
            ('{"a": {}}', {"a": None}),
            ("[{}]", [None]),
            ("NaN", "NaN"),
            ('"a\\u0000b"', "a\0b"),
        ],
    )
    def test_odd_values_are_kept_in_a_form_that_tables_can_hold(
        self, value: str, kept: object
    ) -> None:
        data = f'{{"uri": "a", "m": {value}}}'.encode()
        [(found,)] = self.kept(data, ".jsonl", "m")
        assert (str(found).replace("nan", "NaN") if value == "NaN" else found) == kept

    @pytest.mark.parametrize(
        "value", ["[" * 900 + "1" + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "1" + "0" * 400]
    )
    def test_a_value_that_no_table_can_hold_costs_its_own_line(self, value: str) -> None:
        data = f'{{"uri": "a", "m": {value}}}\n{{"uri": "b", "m": null}}'.encode()
        found = manifest_files.columns(io.BytesIO(data), "a.jsonl")
        first, second = manifest_files.read(io.BytesIO(data), "a.jsonl", {"m": found["m"]})
        assert isinstance(first.value, ListingError)
        assert second == ManifestEntry("line=2", "b", (None,))

    def test_parquet_keeps_its_types(self, tmp_path: Path) -> None:
        columns = {"uri": ["a", "b"], "id": pa.array([1, None], pa.int16()), "x": [[1.5], []]}
        data = parquet(tmp_path, columns).read_bytes()
        found = manifest_files.columns(io.BytesIO(data), "a.parquet")
        assert found["id"] == pa.int16()
        assert self.kept(data, ".parquet", "x", "id") == [([1.5], 1), ([], None)]

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
    def test_text_of_code_page_1252_is_kept(self, tmp_path: Path, name: str) -> None:
        text, column = {
            "a.csv": ("uri;Größe\r\na.jpg;Müller – 5 €\r\n", "Größe"),
            "a.jsonl": ('{"uri": "a.jpg", "size": "Müller – 5 €"}\n', "size"),
        }[name]
        path = written(tmp_path, name, text.encode("cp1252"))
        with path.open("rb") as file:
            found = manifest_files.columns(file, name)
            assert found[column] == pa.string()
            file.seek(0)
            [entry] = manifest_files.read(file, name, {column: pa.string()})
        assert entry.extra_columns == ("Müller – 5 €",)

    def test_plain_lines_have_no_columns(self) -> None:
        assert manifest_files.columns(io.BytesIO(b"a.jpg\n"), ".txt") == {}
        [entry] = manifest_files.read(io.BytesIO(b"a.jpg\n"), ".txt", {"id": pa.int64()})
        assert entry.extra_columns == (None,)
