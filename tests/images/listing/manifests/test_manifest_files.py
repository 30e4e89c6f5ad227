import gzip
import io
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather

from imagebeam.images.errors import ListingError
from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.manifests.entries import ManifestEntry, ManifestError
from tests.images.listing.manifests.reading import parquet, read, written


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


class TestAnyManifest:
    @pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
    @pytest.mark.parametrize("encoding", ["utf-32", "utf-16", "utf-16-le", "utf-16-be"])
    def test_utf16_is_read(self, tmp_path: Path, name: str, encoding: str) -> None:
        text = '"a.jpg"\r\n' if name == "list.jsonl" else "uri\r\na.jpg\r\n"
        assert read(written(tmp_path, name, text.encode(encoding)))[-1][1] == "a.jpg"

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "a.tsv.gz", "a.jsonl.gz", "a.txt.gz"])
    def test_compressed_manifests_are_read(self, tmp_path: Path, name: str) -> None:
        text = {"jsonl": '"a.jpg"\n', "txt": "a.jpg\n"}.get(name.split(".")[1], "uri\na.jpg\n")
        path = written(tmp_path, name, gzip.compress(text.encode()))
        assert [name for _, name in read(path)] == ["a.jpg"]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16_of_other_scripts_is_read(self, tmp_path: Path, encoding: str) -> None:
        names = ["写真/日本語の名前_一.jpg", "фото/Ёж.jpg"]
        found = read(written(tmp_path, "a.txt", "\n".join(names).encode(encoding)))
        assert [name for _, name in found] == names

    @pytest.mark.parametrize(
        ("text", "fix"),
        [
            (
                '{\n  "images": [\n    {"file_name": "a.jpg"}\n  ]\n}\n',
                "Write one name or object per line, or one array of them. For an array inside an "
                "object, as in COCO's files: `jq -c '.images[]' 'a b.json' > list.jsonl`.",
            ),
            (
                '[\n{"uri": "a.jpg"},\n{"uri": "b.jpg"},\n]\n',
                "Write one name or object per line, or one array of them.",
            ),
            (
                '{"info": {}, "photos": [{"file_name": "a.jpg"}], "annotations": []}',
                "For an array inside an object, as in COCO's files: "
                "`jq -c '.photos[]' 'a b.json' > list.jsonl`.",
            ),
        ],
    )
    def test_json_of_another_form_is_refused_with_the_form(
        self, tmp_path: Path, text: str, fix: str
    ) -> None:
        path = written(tmp_path, "a b.json", text)
        with path.open("rb") as file, pytest.raises(ManifestError) as caught:
            manifest_files.columns(file, path.name)
        assert str(caught.value).endswith(fix)

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

    def test_an_arrow_stream_is_read(self, tmp_path: Path) -> None:
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
        [entry] = manifest_files.read(io.BytesIO(b"true"), "a.jsonl")
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
