import json
from pathlib import Path

import pytest

from tests.images.listing.manifests.reading import read, written


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
            ("line=4", "3"),
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
