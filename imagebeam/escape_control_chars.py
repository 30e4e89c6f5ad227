"""Make control characters in names visible, so that they cannot change the text around them."""

import re

_CONTROL_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = 0x7F, "\u2421"

# C0, DEL and C1; soft hyphen; zero-width space and bidi marks, but not the joiners, which words
# and emoji are made with; line and paragraph separators; bidi embeddings, overrides and isolates;
# invisible operators; byte order mark; interlinear annotations; surrogates; tags.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def escape_control_chars(text: str) -> str:
    """Return the text with symbols in place of control characters: a newline becomes ␊."""
    return _UNSEEN.sub(lambda match: _picture(ord(match[0])), text)


def _picture(code: int) -> str:
    if code < ord(" "):
        return chr(_CONTROL_PICTURES + code)
    return _DELETE_PICTURE if code == _DELETE else f"⟨U+{code:04X}⟩"
