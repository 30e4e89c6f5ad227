from xml.etree import ElementTree as ET

import pytest

from imagebeam.outputs.exports import xmp
from imagebeam.outputs.exports.xmp import FLAT, HIERARCHICAL, XmpError

LI = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
EMPTY = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="other">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
OWN = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- mine -->
<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<r:Description r:about="" xmlns:d="http://purl.org/dc/elements/1.1/">
<d:subject><r:Bag><r:li>holiday &amp; sea</r:li><r:li>tiger</r:li></r:Bag></d:subject>
<d:title><r:Alt><r:li>subject</r:li></r:Alt></d:title>
</r:Description></r:RDF></x:xmpmeta>"""

BAG = b"<r:Bag><r:li>holiday &amp; sea</r:li><r:li>tiger</r:li></r:Bag>"


def words(data: bytes, name: str) -> list[str]:
    """Read keywords with another parser."""
    space, local = name.split(" ")
    root = ET.fromstring(data)
    return [item.text or "" for tag in root.iter(f"{{{space}}}{local}") for item in tag.iter(LI)]


def test_a_new_file_contains_plain_and_hierarchical_keywords() -> None:
    data = xmp.document(xmp.keywords(["tiger", "a|b <&>\x00\n"], "imagebeam"))
    assert words(data, FLAT) == ["tiger", "a|b <&>\ufffd"]
    assert words(data, HIERARCHICAL) == ["imagebeam|tiger", "imagebeam|a/b <&>\ufffd"]


def test_keywords_are_added_and_nothing_else_changes() -> None:
    data = xmp.merged(OWN, xmp.keywords(["tiger", "cat"], "ai"))
    assert words(data, FLAT) == ["holiday & sea", "tiger", "cat"]
    assert words(data, HIERARCHICAL) == ["ai|tiger", "ai|cat"]
    remaining = iter(data)
    assert all(byte in remaining for byte in OWN)
    assert b"<!-- mine -->" in data
    assert xmp.merged(data, xmp.keywords(["tiger", "cat"], "ai")) == data


def test_keywords_are_added_to_a_file_without_any() -> None:
    data = xmp.merged(EMPTY, xmp.keywords(["cat"], "ai"))
    assert (words(data, FLAT), words(data, HIERARCHICAL)) == (["cat"], ["ai|cat"])
    assert b'xmp:Rating="5"' in data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not valid XMP"),
        (b"\xff\xfe<\0a\0/\0>\0", "not valid XMP"),
        (b"<a>", "not valid XMP"),
        (b"<a/>", "no RDF"),
        (b"<li xmlns='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>", "no RDF"),
        (b"<Bag xmlns='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>", "no RDF"),
        (b"<RDF xmlns='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>", "unusual form"),
        (b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "document type"),
        (OWN.replace(b"<r:li>tiger</r:li>", b"<![CDATA[</r:Bag>]]>"), ""),
        (
            OWN.replace(
                b"<r:Bag><r:li>holiday &amp; sea</r:li><r:li>tiger</r:li></r:Bag>", b"<r:Bag/>"
            ),
            "unusual form",
        ),
        (OWN.replace(b"<d:subject>", b"<d:subject> text "), ""),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_refused(data: bytes, reason: str) -> None:
    if not reason:
        assert "cat" in words(xmp.merged(data, xmp.keywords(["cat"], "ai")), FLAT)
        return
    with pytest.raises(XmpError, match=reason):
        xmp.merged(data, xmp.keywords(["cat"], "ai"))
