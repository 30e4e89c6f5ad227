import re

import pytest

from imagebeam.modules.class_lists import names_in
from imagebeam.modules.label_maps import is_label_map, read_label_map


def test_the_id_tells_the_place_and_the_display_name_comes_first() -> None:
    text = """# pets
    item {
      name: "/m/0bt9lr"
      id: 2
      display_name: "Hund # 'gross'"
    }
    item: < id: 1, name: 'K\\303\\244tzchen' >
    """
    assert read_label_map(text) == {1: "Kätzchen", 2: "Hund # 'gross'"}
    assert names_in(text) == ("Kätzchen", "Hund # 'gross'")


def test_other_fields_are_passed_over() -> None:
    text = (
        "item { id: 1 name: 'a' 'b' keypoints { id: 7 label: 'nose' } frequency: FREQUENT "
        "ancestor_ids: ['x', 'y'] }; item { id: 2 name: \"c\\\"d\" }"
    )
    assert read_label_map(text) == {1: "ab", 2: 'c"d'}


def test_ids_that_count_from_0_name_the_background() -> None:
    assert names_in("item{id:1 name:'cat'}item{id:0 name:'background'}") == ("background", "cat")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "item {\n id: 1\n name: 'x'\n}\nitem {\n id: 1\n name: 'y'\n}",
            "line 5: the id 1 is that",
        ),
        ("\nitem {\n name: 'x'\n}", "line 2: its item has no id that is a number"),
        ("item { id: 'x' name: 'x' }", "line 1: its item has no id that is a number"),
        ("item { id: 1 }", "line 1: its item has no name"),
        ("item { id: 1 name: '' }", "line 1: its item has no name"),
        ("item {\n id: 1", "line 1: its item has no end"),
        ("item {\n name: 'x }\n", "line 2: 'name:' has no place in a label map"),
        ("item { id: 1 name: 'x' }\n}", "line 2: '}' has no place in a label map"),
        ("item { id: 1 name: 'x' }\ndog", "line 2: 'dog' has no place in a label map"),
        ("item { id: 1 name: 'x' }\nnode { id: 2 }", "line 2: 'node' has no place in a label map"),
        ("item {\nid: 1\nname: '\\377' }", r"line 3: '\377' is not UTF-8"),
        ("item { id: 1 name: 'x' } item { id: 3 name: 'y' }", "its numbers 1, 3, … do not count"),
    ],
)
def test_unclear_maps_are_refused_with_the_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        names_in(text)


@pytest.mark.parametrize("text", ["item\nthing", "items { id: 1 }", "", "1 item {", "item one {"])
def test_other_texts_are_no_label_maps(text: str) -> None:
    assert not is_label_map(text)
