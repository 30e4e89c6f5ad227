import os
import re
from pathlib import Path

import pytest

from imagebeam.modules.class_lists import lines_of, names_in
from imagebeam.modules.class_names import imagenet_class_names, read_class_names
from imagebeam.modules.errors import ModuleError


def test_the_imagenet_names_are_those_published(reference: Path) -> None:
    published = (reference / "imagenet_labels.txt").read_text("utf-8").splitlines()
    assert list(imagenet_class_names()) == published


def test_there_are_1001_imagenet_names() -> None:
    names = imagenet_class_names()
    assert (len(names), names[0], names[1], names[1000]) == (
        1001,
        "background",
        "tench, Tinca tinca",
        "toilet tissue, toilet paper, bathroom tissue",
    )


@pytest.mark.parametrize("content", ["cat\nKäse\n", "cat\r\nKäse", "\ufeffcat\nKäse\n\n"])
def test_a_file_of_names_is_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "names.txt").write_text(content, "utf-8")
    assert read_class_names(tmp_path / "names.txt", 2) == ("cat", "Käse")


@pytest.mark.parametrize(("content", "count"), [("", 0), ("a\n", 1), ("a\nb\nc\n", 3)])
def test_another_number_of_names_is_refused(tmp_path: Path, content: str, count: int) -> None:
    (tmp_path / "names.txt").write_text(content, "utf-8")
    with pytest.raises(ModuleError, match=f"{count} class names, but the module has 2 classes"):
        read_class_names(tmp_path / "names.txt", 2)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModuleError, match="Give a UTF-8 text file"):
        read_class_names(tmp_path / "names.txt", 1)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="No such file"):
        read_class_names(tmp_path / "names.txt", 1)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_a_file_without_an_end_is_refused(tmp_path: Path, kind: str) -> None:
    path = {"device": Path("/dev/zero"), "folder": tmp_path}.get(kind, tmp_path / "pipe")
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ModuleError, match=rf"class names \({kind}, not a regular file\)"):
        read_class_names(path, 3)


def test_numbered_lines_lose_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("0 tabby cat\n1 dog\n")
    assert read_class_names(path, 2) == ("tabby cat", "dog")
    path.write_text("1 star\n2 star\n3 star\n")
    assert read_class_names(path, 3) == ("1 star", "2 star", "3 star")


@pytest.mark.parametrize(("count", "first"), [(1000, "tench, Tinca tinca"), (1001, "background")])
def test_the_names_of_imagenet_can_be_asked_for(count: int, first: str) -> None:
    names = read_class_names("imagenet", count)
    assert (len(names), names[0], names[-1]) == (count, first, imagenet_class_names()[-1])


def test_blank_lines_are_kept_inside_and_dropped_at_the_end() -> None:
    assert lines_of(" a \r\n\r\nb\u2028c\n\n") == ("a", "", "b\u2028c")
    assert lines_of("\n \n") == ()


_NAMES = ("tabby cat", "dog", "red fox")


@pytest.mark.parametrize(
    "text",
    [
        *("".join(f"{at}{mark}{name}\n" for at, name in enumerate(_NAMES)) for mark in " :,;\t"),
        *("".join(f"{at}. {name}\n" for at, name in enumerate(_NAMES, first)) for first in (0, 1)),
        "".join(f"n0212304{at} {name}\r\n" for at, name in enumerate(_NAMES)),
        "".join(f"{at} n0212304{at}\t{name}\n" for at, name in enumerate(_NAMES)),
        "".join(f"{at:04} {name}\n" for at, name in enumerate(_NAMES)),
        "".join(f'"{name}"\n' for name in _NAMES),
        "".join(f"'{name}',\n" for name in _NAMES),
        "".join(f"{at}: '{name}'\n" for at, name in enumerate(_NAMES)),
        '["tabby cat", "dog", "red fox"]',
        '{"0": "tabby cat", "2": "red fox", "1": "dog"}',
        '{"dog": 1, "red fox": 2, "tabby cat": 0}',
        '{"0": ["n02123045", "tabby cat"], "1": ["n2", "dog"], "2": ["n3", "red fox"]}',
        '{"model_type": "vit", "id2label": {"0": "tabby cat", "1": "dog", "2": "red fox"}}',
        "{0: 'tabby cat', 1: 'dog', 2: 'red fox'}",
        *("".join(f"{name}{mark}{at}\n" for at, name in enumerate(_NAMES)) for mark in " ,;\t:="),
        "2 red fox\n0 tabby cat\n1 dog\n",
        '0,"tabby cat"\r\n1,"dog"\r\n2,"red fox"\r\n',
        "id,name\n2,red fox\n0,tabby cat\n1,dog\n",
        "name,id\ntabby cat,0\ndog,1\nred fox,2\n",
        'Class ID;Label\n0;"tabby cat"\n1;dog\n2;red fox\n\n',
        "index,mid,display_name\n0,/m/1,tabby cat\n1,/m/2,dog\n2,/m/3,red fox\n",
        "label\tname\n1\ttabby cat\n2\tdog\n3\tred fox\n",
        "name,species\ntabby cat,Felis\ndog,Canis\nred fox,Vulpes\n",
        '{"id": 1, "name": "dog"}\n{"id": 0, "name": "tabby cat"}\n{"id": 2, "name": "red fox"}\n',
        '"tabby cat"\n"dog"\n"red fox"\n',
        '[{"id": 0, "name": "tabby cat"}, {"id": 1, "name": "dog"}, {"id": 2, "name": "red fox"}]',
        '[["n02123045", "tabby cat"], ["n2", "dog"], ["n3", "red fox"]]',
        '{"classes": ["tabby cat", "dog", "red fox"], "version": 2}',
        '{"1": "tabby cat", "2": "dog", "3": "red fox"}',
        '{"label2id": {"red fox": 2, "tabby cat": 0, "dog": 1}}',
        '{"0": {"name": "tabby cat"}, "1": {"name": "dog"}, "2": {"name": "red fox"}}',
        "tabby cat\rdog\rred fox\r",
    ],
)
def test_names_are_read_from_usual_lists(text: str) -> None:
    assert names_in(text) == _NAMES


@pytest.mark.parametrize(
    "text", ["id,name\n0,tench, Tinca tinca\n1,dog\n", "tench, Tinca tinca,0\ndog,1\n"]
)
def test_names_with_the_delimiter_in_them_are_kept_whole(text: str) -> None:
    assert names_in(text) == ("tench, Tinca tinca", "dog")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"0": "cat", "2": "dog"}', "its numbers 0, 2, … do not count from 0 to 1"),
        ('{"2": "cat", "1": "dog"}', "its numbers 2, 1, … do not count from 0 to 1"),
        ("id,name\n3,cat\n7,dog\n", "its numbers 3, 7, … do not count from 0 to 1"),
        ('{"size": 224}', "its numbers 224, … do not count from 0 to 0"),
        ('{"size": "big"}', "it is a dictionary, but not one between numbers and names"),
        ('[{"file": "a"}]', "its columns are file, and none holds names"),
        ('[{"id": 0, "name": "cat"}, {"id": 1}]', "its columns are id, and none holds names"),
        ('{"0": {"name": "cat"}, "1": {}}', "an entry has no name"),
    ],
)
def test_lists_without_a_name_for_each_number_are_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "names").write_text(text)
    with pytest.raises(ModuleError, match=re.escape(f"cannot read class names ({reason}")) as error:
        read_class_names(tmp_path / "names", 2)
    assert str(error.value).endswith("Give a UTF-8 text file with one name per line.")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_mark_at_the_front_states_the_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "names").write_text("cat\r\nKäse\r\n\r\n", encoding, newline="")
    assert read_class_names(tmp_path / "names", 2) == ("cat", "Käse")


def test_a_heading_is_left_out_where_one_name_is_too_many(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("Label\ncat\ndog\n")
    assert read_class_names(tmp_path / "names", 2) == ("cat", "dog")
    assert read_class_names(tmp_path / "names", 3) == ("Label", "cat", "dog")
    with pytest.raises(ModuleError, match="background, name it in the first line"):
        read_class_names(tmp_path / "names", 4)


def test_a_label_map_without_the_background_tells_how_to_name_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.pbtxt"
    path.write_text("item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\n")
    assert read_class_names(path, 2) == ("cat", "dog")
    with pytest.raises(ModuleError, match="name it in the first line, or with the number 0"):
        read_class_names(path, 3)


def test_names_are_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("train: images\nnames:\n  0: cat\n  1: dog\n")
    assert read_class_names(path, 2) == ("cat", "dog")


def test_imagenet_is_refused_for_other_numbers_of_classes() -> None:
    with pytest.raises(ModuleError, match="1,001 with the background, but the module has 4 classe"):
        read_class_names("imagenet", 4)


@pytest.mark.parametrize(
    "names",
    [
        ("1 star", "2 star", "3 star"),
        ("0", "1", "2"),
        ("3 D printer", "dog"),
        ("n02123045", "n02123046"),
        ('"cat', "dog"),
        ("[cat]", "dog"),
        ("{}", "dog"),
        ("[" * 100_000,),
        (f"{'0' * 5000} cat", "1 dog"),
        (),
    ],
)
def test_names_that_look_like_numbers_or_marks_stay(names: tuple[str, ...]) -> None:
    assert names_in("\n".join(names)) == names
