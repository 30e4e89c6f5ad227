import io

from rich.text import Text

from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable


def _printed(*objects: object) -> str:
    stream = io.StringIO()
    SafeConsole(file=stream, width=80).print(*objects)
    return stream.getvalue()


def test_text_is_not_interpreted() -> None:
    assert _printed("[red]a[/b] :warning: 12") == "[red]a[/b] :warning: 12\n"


def test_control_characters_are_visible_and_newlines_remain() -> None:
    assert _printed("one\ntwo \x1b[2J\r\u202e") == "one\ntwo ␛[2J␍⟨U+202E⟩\n"


def test_cells_of_a_table_hold_no_control_characters() -> None:
    table = SafeTable("name", "note", padding=(0, 1, 0, 0))
    table.add_row("[b]\x1b]0;title\x07\n", Text("\x1b[1m", "dim"))
    assert [line.split() for line in _printed(table).splitlines()] == [
        ["name", "note"],
        ["[b]␛]0;title␇␊", "␛[1m"],
    ]
