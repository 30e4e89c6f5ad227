import os
from pathlib import Path

import pytest

from imagebeam.modules.class_names import imagenet_class_names, lines_of, names_in, read_class_names
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
    with pytest.raises(ModuleError, match=r"cannot read class names \(it is not a regular file\)"):
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
    ],
)
def test_names_are_read_from_usual_lists(text: str) -> None:
    assert names_in(text) == _NAMES


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
