import io
import itertools
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.images.listing.manifests import csv_records, manifest_files
from imagebeam.images.listing.manifests.entries import ManifestError
from tests.images.listing.manifests.reading import entries, read, refusal, written


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
    def test_the_line_that_names_the_separator_for_excel_is_skipped(
        self, tmp_path: Path, first: str
    ) -> None:
        path = written(tmp_path, "a.csv", f"\ufeff{first}\r\nuri;id\r\na.jpg;1\r\n")
        assert read(path) == [("line=3", "a.jpg")]

    def test_two_columns_of_the_name_are_refused(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "uri,id,uri\na.jpg,1,b.jpg\n")
        assert refusal(path) == "2 columns are called `uri`. Rename one."
        table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["uri", "uri"])
        pq.write_table(table, tmp_path / "a.parquet")
        assert refusal(tmp_path / "a.parquet") == "2 columns are called `uri`. Rename one."

    def test_columns_with_the_same_name_are_not_kept(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "uri,id,id\na.jpg,1,2\n")
        with path.open("rb") as file, pytest.raises(ManifestError) as caught:
            list(manifest_files.read(file, "a.csv", {"id": pa.string()}))
        assert str(caught.value) == "2 columns are called 'id'. Rename one."

    @pytest.mark.parametrize(
        ("content", "columns"),
        [("URI,b\n", "'URI', 'b'"), ("URI|b\n", "'URI', 'b'"), ("a.jpg\nb.jpg\n", "'a.jpg'")],
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
