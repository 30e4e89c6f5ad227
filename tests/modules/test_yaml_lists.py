import re

import pytest

from imagebeam.modules.class_lists import names_in
from imagebeam.modules.yaml_lists import read_yaml


def test_words_and_numbers_keep_their_form() -> None:
    text = "- no\n- 7\n- 007\n- '7'\n- 1e3\n- 2024-01-01\n- ~\n- !!python/name:os.system x\n"
    assert read_yaml(text) == ["no", 7, "007", "7", "1e3", "2024-01-01", "~", "x"]


@pytest.mark.parametrize(
    "text",
    [
        "- 'no'\n- dog\n- red fox\n",
        "# pets\n0: no\n1: dog # a comment\n2: red fox\n",
        "{2: red fox, 0: no, 1: dog}",
        "path: pets/\ntrain: images/train\nnc: 3\nnames:\n  0: no\n  2: red fox\n  1: dog\n",
        "names: [no, dog, 'red fox']\nnc: 3\n",
        "dog: 1\nno: 0\nred fox: 2\n",
        "- {id: 1, name: dog}\n- {id: 0, name: no}\n- {id: 2, name: red fox}\n",
        "id2label: {0: no, 1: dog, 2: red fox}\nlabel2id: {no: 0, dog: 1, red fox: 2}\n",
        "no\ndog\nred fox\n",
    ],
)
@pytest.mark.parametrize("file", ["data.yaml", "folder/labels.yml"])
def test_lists_and_dictionaries_are_read(text: str, file: str) -> None:
    assert names_in(text, file) == ("no", "dog", "red fox")


def test_lines_of_a_text_file_that_all_begin_with_a_dash_are_a_list() -> None:
    assert names_in("- cat\n\n- dog\n") == ("cat", "dog")
    assert names_in("- cat\ndog\n") == ("- cat", "dog")


def test_years_are_names_where_other_numbers_count() -> None:
    assert names_in("0: 1990\n1: 1985\n", "x.yaml") == ("1990", "1985")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0: a\n1: b\n1: c\n", "line 3: the key 1 occurs twice"),
        ("cat: 0\ndog: 1\ncat: 2\n", "line 3: the key 'cat' occurs twice"),
        ("- a\n-\n", "line 2: a class has no name"),
        ("names:\n  0: a\n  1:\n", "line 3: a class has no name"),
        ("- &a cat\n- *a\n", "line 1: it is used again with an alias (*)"),
        ("cat: big: x\n", "line 1: mapping values are not allowed here"),
        ("names:\n\t- a\n", "line 2: while scanning for the next token, found character '\\t'"),
        ("- a\n---\n- b\n", "line 2: expected a single document in the stream, but found another"),
        ("? [a]\n: 1\n", "line 1: a key is a list or a dictionary"),
        ("- a\x07\n", "unacceptable character #x0007"),
        ("[" * 5000, "its lists are nested too deeply"),
        (f"- {'a' * 2_000_000}", "it has more than 2,000,000 characters of YAML"),
        ("0: a\n2: b\n", "is unclear; the first that is missing is 1"),
        ("0: 1\n1: 0\n", "it maps numbers to numbers, so it is unclear which are the names"),
        ("names: [a, b]\nlabels: [c, d]\n", "labels and names hold different names of classes"),
        ("path: x\nnc: 3\n", "it is a dictionary, but not one between numbers and names"),
    ],
)
def test_unclear_files_are_refused_with_the_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        names_in(text, "data.yaml")
