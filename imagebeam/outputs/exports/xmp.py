"""Write keywords as XMP, and add keywords to an XMP file that exists.

An existing file is changed by inserting bytes where its keyword lists end. Everything else in it,
such as comments, ratings and edits of other programs, stays byte for byte.
"""

import re
from collections.abc import Mapping, Sequence
from xml.parsers import expat
from xml.sax.saxutils import escape

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_LR = "http://ns.adobe.com/lightroom/1.0/"

FLAT = f"{_DC} subject"
"""The property with plain keywords."""

HIERARCHICAL = f"{_LR} hierarchicalSubject"
"""The property with keywords as paths, whose steps are separated by `|`."""

Keywords = Mapping[str, Sequence[str]]
"""Keywords by property."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ITEM = f'<rdf:li xmlns:rdf="{_RDF}">{{}}</rdf:li>'


class XmpError(ValueError):
    """An XMP file that cannot be changed safely; the text states the reason."""


def keywords(labels: Sequence[str], prefix: str) -> Keywords:
    """Return the keywords for labels: plain ones, and paths that start with the prefix."""
    clean = [" ".join(_NOT_XML.sub("\ufffd", label).split()) for label in labels]
    paths = ["|".join((prefix, label.replace("|", "/"))) for label in clean]
    return {FLAT: list(dict.fromkeys(clean)), HIERARCHICAL: list(dict.fromkeys(paths))}


def document(words: Keywords) -> bytes:
    """Return a new XMP file with keywords."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{_RDF}">\n{_description(words)} </rdf:RDF>\n'
        '</x:xmpmeta>\n<?xpacket end="w"?>\n'
    ).encode()


def merged(data: bytes, words: Keywords) -> bytes:
    """Return an XMP file with keywords added to those that it has.

    Raises:
        XmpError: the file is not XMP, or has a form that cannot be changed safely.
    """
    found = _parse(data)
    missing = {
        name: [word for word in some if word not in found.words.get(name, ())]
        for name, some in words.items()
    }
    inserts = [
        (found.ends[name], "".join(_ITEM.format(escape(word)) for word in some))
        for name, some in missing.items()
        if name in found.ends
    ]
    if new := {name: some for name, some in missing.items() if some and name not in found.ends}:
        inserts.append((found.rdf_end, _description(new)))
    for position, text in sorted(inserts, reverse=True):
        if data[position : position + 2] != b"</":
            raise XmpError("a keyword list in it is written in an unusual form")
        data = data[:position] + text.encode() + data[position:]
    after = _parse(data)
    if any(word not in after.words.get(name, ()) for name, some in words.items() for word in some):
        raise XmpError("a keyword list in it is written in an unusual form")
    return data


def _description(words: Keywords) -> str:
    lists = {
        FLAT: ("dc:subject", f'xmlns:dc="{_DC}"'),
        HIERARCHICAL: ("lr:hierarchicalSubject", f'xmlns:lr="{_LR}"'),
    }
    spaces = " ".join(lists[name][1] for name in words)
    text = f'  <rdf:Description xmlns:rdf="{_RDF}" rdf:about="" {spaces}>\n'
    for name, some in words.items():
        items = "".join(f"     <rdf:li>{escape(word)}</rdf:li>\n" for word in some)
        tag = lists[name][0]
        text += f"   <{tag}>\n    <rdf:Bag>\n{items}    </rdf:Bag>\n   </{tag}>\n"
    return f"{text}  </rdf:Description>\n"


class _Found:
    """The contents of a parsed XMP file.

    Attributes:
        words: keywords by property.
        ends: byte positions of the end tags of the keyword lists, by property.
        rdf_end: byte position of the end tag of the RDF element.
    """

    def __init__(self) -> None:
        self.words: dict[str, list[str]] = {}
        self.ends: dict[str, int] = {}
        self.rdf_end = -1


def _parse(data: bytes) -> _Found:
    found = _Found()
    path: list[str] = []
    text: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def is_list(depth: int) -> bool:
        # … RDF, Description, property, Bag or Seq
        return (
            len(path) >= depth + 3
            and path[-depth] in (f"{_RDF} Bag", f"{_RDF} Seq")
            and path[-depth - 1] in (FLAT, HIERARCHICAL)
            and path[-depth - 3 : -depth - 1] == [f"{_RDF} RDF", f"{_RDF} Description"]
        )

    def start(name: str, _attributes: object) -> None:
        path.append(name)
        text.clear()

    def end(name: str) -> None:
        if name == f"{_RDF} li" and is_list(2):
            found.words.setdefault(path[-3], []).append("".join(text))
        elif is_list(1):
            found.ends.setdefault(path[-2], parser.CurrentByteIndex)
        elif name == f"{_RDF} RDF":
            found.rdf_end = parser.CurrentByteIndex
        path.pop()

    def refuse(*_: object) -> None:
        raise XmpError("it declares a document type, which XMP does not have")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        data.decode("utf-8")
        parser.Parse(data, True)
    except (expat.ExpatError, UnicodeDecodeError) as error:
        raise XmpError(f"it is not valid XMP ({error})") from error
    if found.rdf_end < 0:
        raise XmpError("it is not XMP: it has no RDF")
    return found
