import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.metadata import (
    Metadata,
    append_to_flatbuffer,
    parse,
    read_from_flatbuffer,
    read_from_folder,
    render,
)
from tests.modules.flatbuffers import echo

_FULL = Metadata(
    image_size=(128, 96),
    value_range=(-1.0, 1.0),
    classes=("cat", "Käse, cheese", "dog"),
    quantops=True,
    network={"family": "mobilenet_v1", "width": 0.25},
    provenance={"checkpoint": "sha256:00", "accuracy": 0.5},
    outputs={"logits": 0, "features": 1},
)


def _with_zip(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO(echo())
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("metadata", [_FULL, Metadata()])
def test_rendered_metadata_can_be_parsed(metadata: Metadata) -> None:
    assert parse(render(metadata), "x") == metadata


def test_the_text_is_sorted_and_indented() -> None:
    lines = render(_FULL).splitlines()
    assert lines[:2] == ["{", '  "classes": [']
    assert json.loads(render(_FULL))["format"] == "imagebeam-module/1"


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1).map(tuple))
def test_any_class_name_is_preserved(classes: tuple[str, ...]) -> None:
    assert parse(render(Metadata(classes=classes)), "x").classes == classes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "'format'"),
        ('{"format": "imagebeam-module/2"}', "'imagebeam-module/2', not 'imagebeam-module/1'"),
        ('{"format": "imagebeam-module/1", "image_size": [1]}', "not enough values"),
        ('{"format": "imagebeam-module/1", "image_size": 160}', "TypeError"),
        ('{"format": "imagebeam-module/1", "value_range": ["a", "b"]}', "could not convert"),
        ('{"format": "imagebeam-module/1", "outputs": [1]}', "AttributeError"),
    ],
)
def test_bad_metadata_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ModuleError, match=f"^here: unreadable module metadata .*{reason}"):
        parse(text, "here")


def test_a_flatbuffer_carries_its_metadata() -> None:
    flatbuffer = append_to_flatbuffer(echo(), _FULL)
    assert read_from_flatbuffer(flatbuffer, "x") == _FULL
    with zipfile.ZipFile(io.BytesIO(flatbuffer)) as archive:
        assert archive.namelist() == ["module.json", "labels.txt"]
        assert archive.read("labels.txt").decode() == "cat\nKäse, cheese\ndog\n"


def test_equal_metadata_makes_equal_bytes() -> None:
    assert append_to_flatbuffer(echo(), _FULL) == append_to_flatbuffer(echo(), _FULL)


def test_a_flatbuffer_without_metadata_has_none() -> None:
    assert read_from_flatbuffer(echo(), "x") == Metadata()


def test_labels_of_other_tools_are_read_when_they_fit() -> None:
    names = [f"class {number}" for number in range(12)]
    flatbuffer = _with_zip(
        {
            "vocabulary.txt": "\n".join(reversed(names)).encode(),
            "my_labels.txt": "\n".join(names).encode(),
            "notes.txt": b"one\ntwo\n",
            "picture.png": b"\x89PNG",
        }
    )
    metadata = read_from_flatbuffer(flatbuffer, "x")
    assert metadata.class_names(12, "x") == tuple(names)
    assert metadata.class_names(2, "x") == ("one", "two")
    assert metadata.class_names(3, "x") is None


def test_labels_in_the_language_of_the_author_come_first() -> None:
    files = {"labels_de.txt": b"Hund\nKatze\n", "labels.txt": "\ufeffdog\r\ncat\r\n".encode()}
    metadata = read_from_flatbuffer(_with_zip(files), "x")
    assert metadata.class_names(2, "x") == ("dog", "cat")
    assert metadata.unused_labels(2) == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.pbtxt", b"item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\n"),
        ("data.yaml", b"names:\n  0: cat\n  1: dog\n"),
    ],
)
def test_label_maps_of_other_tools_are_read(name: str, content: bytes) -> None:
    assert read_from_flatbuffer(_with_zip({name: content}), "x").labels == {name: ("cat", "dog")}


def test_labels_of_another_number_are_reported() -> None:
    files = {"labels.txt": b"dog\ncat\n", "label_words.txt": b"K\xe4se\n", "other.txt": b"one\n"}
    assert read_from_flatbuffer(_with_zip(files), "x").unused_labels(3) == tuple(
        f"the module's {name} names {count} classes, but the module has 3, so these names are not "
        "used."
        for name, count in (("labels.txt", 2), ("label_words.txt", 0))
    )


def test_tables_and_json_among_the_files_are_read(tmp_path: Path) -> None:
    files = {
        "labelmap.csv": b"id,name\n1,dog\n0,cat\n",
        "settings.json": b'{"size": 3,\n"depth": 2}',
        "classes.json": b'["owl", "fox", "cow"]',
    }
    folder = tmp_path / "assets"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for metadata in (read_from_flatbuffer(_with_zip(files), "x"), read_from_folder(tmp_path)):
        assert metadata.class_names(2, "x") == ("cat", "dog")
        assert metadata.class_names(3, "x") == ("owl", "fox", "cow")


def test_stated_classes_must_fit() -> None:
    with pytest.raises(ModuleError, match="names 3 classes but its output has 4"):
        _FULL.class_names(4, "x")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"module.json": b"{}"}, "'format'"),
        ({"labels.txt": bytes((16 << 20) + 1)}, "larger than 16 MiB"),
    ],
)
def test_damaged_entries_are_refused(entries: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ModuleError, match=reason):
        read_from_flatbuffer(_with_zip(entries), "x")


def test_a_damaged_archive_is_refused() -> None:
    flatbuffer = bytearray(append_to_flatbuffer(echo(), _FULL))
    position = flatbuffer.index(b'"format"')
    flatbuffer[position] ^= 1
    with pytest.raises(ModuleError, match="Bad CRC-32"):
        read_from_flatbuffer(bytes(flatbuffer), "x")
