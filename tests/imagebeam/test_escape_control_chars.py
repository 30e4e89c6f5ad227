import pytest

from imagebeam.escape_control_chars import escape_control_chars


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.jpg", "plain.jpg"),
        ("a\nb\r\tc", "a␊b␍␉c"),
        ("\x1b[31mred", "␛[31mred"),
        ("\x00\x7f\x9b", "␀␡⟨U+009B⟩"),
        ("gpj.\u202efdp.exe", "gpj.⟨U+202E⟩fdp.exe"),
        ("\u2066a\u2069\u200f", "⟨U+2066⟩a⟨U+2069⟩⟨U+200F⟩"),
        ("a\u200bb\ufeff\xad", "a⟨U+200B⟩b⟨U+FEFF⟩⟨U+00AD⟩"),
        ("\udcff", "⟨U+DCFF⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        # Characters of words and emoji are kept.
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🔬 שלום", "👩\u200d🔬 שלום"),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_invisible_characters_are_made_visible(text: str, shown: str) -> None:
    assert escape_control_chars(text) == shown
