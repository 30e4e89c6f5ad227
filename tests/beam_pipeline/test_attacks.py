"""Attack the command line with answers of servers and with containers that nobody else makes.

Each attack is an input of one job beside sound ones: it costs rows of its own and nothing else.
"""

import gzip
import struct
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions
from tests.storage.web import Site, raw, redirect, stored

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_LENGTH = b"Content-Length: 3\r\n\r\nabc"

_CHUNKS = (b"-5", b"-ffffffffffffffffff", b"f" * 40, b"8000000000000000", b"1_0", b"", b"\0", b"x")
_LENGTHS = (b"-1", b"1e3", b"9223372036854775808", b"9" * 5000, b"3, 4", b"+3", b"\xd9\xa5")
_STATUS_LINES = (
    *(b"HTTP/1.1 999 x", b"HTTP/1.1 099 x", b"HTTP/1.1 -200 OK", b"HTTP/9.9 200 OK"),
    *(
        b"",
        b"\0\xff\xfe",
        b"HTTP/1.1 200 " + b"x" * 100_000,
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 304 No",
    ),
)
_HEADERS = (
    *(b"A: " + b"x" * 100_000, b"A: b\r\n" * 5000, b"Content-Type: a\0b", b"no colon here"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: zstd"),
    *(b"Content-Encoding: " + b"gzip, " * 9 + b"gzip", b"ETag: \x1b[31m\0", b"Content-MD5: !!!"),
    *(b"Repr-Digest: sha-256=:YQ==:, md5=", b"Last-Modified: Fri, 99 Foo 99999 99:99:99 GMT"),
    *(b"Content-Type: text/html; charset=\xff", b"Transfer-Encoding: gzip, chunked"),
)
_RANGES = (
    b"bytes 5-2/1",
    b"bytes 0-99999999999999999999/*",
    b"bytes -1--1/-1",
    b"\xff",
    b"lines 1",
)
_LOCATIONS = (
    *(b"http://[", b"http://a:999999/", b"http://a:-1/", b"//", b"", b"http://\xff\xfe/"),
    *(b"http://" + b"a" * 300 + b"/", b"http://a..b/", b"http://xn--/", b"http://a/\0", b"data:,x"),
    *(b"javascript:1", b"\\\\a\\b", b"http://[fe80::1%25eth0]/", b"http://[v1.x]/", b"file:///etc"),
)

_ANSWERS = (
    *(_CHUNKED + size + b"\r\nabc" for size in _CHUNKS),
    *(_CHUNKED + b"0\r\n" + b"A: b\r\n" * 5000 + b"\r\n", _CHUNKED + b"5" * 100_000),
    *(_OK + b"Content-Length: " + length + b"\r\n\r\nabc" for length in _LENGTHS),
    *(line + b"\r\n\r\n" for line in _STATUS_LINES),
    *(_OK + header + b"\r\n" + _LENGTH for header in _HEADERS),
    *(b"HTTP/1.1 206 P\r\nContent-Range: " + part + b"\r\n" + _LENGTH for part in _RANGES),
    *(
        b"HTTP/1.1 302 x\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n"
        for place in _LOCATIONS
    ),
    b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
    _OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(200_000_000), 1),
)


def test_no_answer_of_a_server_costs_more_than_its_own_row(tmp_path: Path) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    with Site().running() as web:
        bad = [web.add(f"/{number}.jpg", raw(each)) for number, each in enumerate(_ANSWERS)]
        bad += [web.add("/loop.jpg", redirect("/loop.jpg"))]
        good = [web.add(f"/good-{number}.jpg", stored(picture)) for number in range(3)]
        (tmp_path / "list.txt").write_text("\n".join([*good[:1], *bad, *good[1:]]))
        options = ("--allow-private-hosts", "--read-attempts", 1, "--max-failure-rate", "1000")
        out = tmp_path / "out"
        command = ("label", tmp_path / "list.txt", "-o", out, "-m", "demo", *options)
        assert imagebeam(*command) == 0
    assert [row["uri"] for row in predictions(out)] == good
    rows = errors(out)
    assert {row["uri"] for row in rows} == {*bad}
    assert [row["message"] for row in rows if "defect" in row["code"]] == []
    assert [row["message"] for row in rows if not row["message"].isprintable()] == []


def _member(
    name: bytes = b"good.jpg", data: bytes = b"", size: bytes | None = None, kind: bytes = b"0"
) -> bytes:
    """Return a member of a tar."""
    head = bytearray(512)
    head[: len(name)] = name
    head[100:108] = b"0000644\0"
    head[124:136] = b"%011o\0" % len(data) if size is None else size
    head[136:148] = b"00000000000\0"
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data + bytes(-len(data) % 512)


def _large(size: int) -> bytes:
    """Return a size in base 256, as GNU tar writes large ones."""
    return b"\x80" + size.to_bytes(11, "big") if size >= 0 else b"\xff" * 12


def _pax(name: bytes, value: bytes) -> bytes:
    """Return a member that states something about the next one."""
    length = len(name) + len(value) + 3
    while len(str(length)) + len(name) + len(value) + 3 != length:
        length += 1
    return _member(b"pax", b"%d %s=%s\n" % (length, name, value), kind=b"x")


def _damaged_tars(good: bytes) -> dict[str, bytes]:
    sizes = (2**88 - 1, 2**63, 2**64 - 1, 2**62, -1)
    texts = (b"9223372036854775808", b"-1", b"9" * 5000, b"1e3", b"nan", "٥".encode(), b"1_0")
    names = (b"a\0b.jpg", b"\xff\xfe.jpg", b"../../x.jpg", b"\x1b]0;x\x07.jpg", b"/etc/x.jpg")
    many = {
        **{f"size-{size}": _member(size=_large(size)) for size in sizes},
        **{f"pax-{at}": _pax(b"size", text) + good for at, text in enumerate(texts)},
        **{f"name-{at}": _pax(b"path", name) + good for at, name in enumerate(names)},
        **{
            f"record-{at}": _member(b"p", text, kind=b"x") + good
            for at, text in enumerate(
                (b"99999999999999999999 path=a\n", b"0 path=a\n", b"-5 path=a\n", b"path=a\n")
            )
        },
        "empty-name": _member(b"") + good,
        "long-name": _member(b"././@LongLink", size=_large(2**62), kind=b"L"),
        "long-names": _member(b"././@LongLink", b"a" * 70_000, kind=b"L") * 3 + good,
        "sparse": _pax(b"GNU.sparse.map", b"0,9999999999999999999999,-1,5") + good,
        "unknown-kind": _member(b"t.jpg", kind=b"\xff") + good,
        "octal": _member(size=b"99999999999\0"),
    }
    return {f"{name}.tar": good + data + bytes(1024) for name, data in many.items()}


def _zip(name: bytes, data: bytes, size: int = 0, at: int = 0, extra: bytes = b"") -> bytes:
    """Return a zip with one stored member, whose index may state other sizes and places."""
    crc = zlib.crc32(data)
    head = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, crc, len(data), len(data), len(name), 0)
    local = b"PK\3\4" + head + name + data
    size = size or len(data)
    index = b"PK\1\2" + struct.pack(
        "<HHHHHHIIIHHHHHII",
        *(20, 20, 0, 0, 0, 0, crc, size, size, len(name), len(extra), 0, 0, 0, 0, at),
    )
    index += name + extra
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(index), len(local), 0)
    return local + index + b"PK\5\6" + end


def _damaged_zips(picture: bytes) -> dict[str, bytes]:
    most = 0xFFFFFFFF
    large = (2**64 - 1, 2**63, 2**32)
    return {
        **{
            f"zip64-{number}.zip": _zip(
                b"a.jpg", picture, most, most, struct.pack("<HHQQQ", 1, 24, number, number, number)
            )
            for number in large
        },
        "sizes.zip": _zip(b"a.jpg", picture, size=most),
        "short-size.zip": _zip(b"a.jpg", picture, size=1),
        "place.zip": _zip(b"a.jpg", picture, at=0x7FFFFFFF),
        "no-name.zip": _zip(b"", picture),
        "control-name.zip": _zip(b"\x1b[31m.jpg", picture),
        "cut.zip": _zip(b"a.jpg", picture)[:-9],
    }


def _records() -> dict[str, bytes]:
    lengths = (2**63, 2**64 - 1, 2**40, 2**31)
    return {f"{length}.tfrecord": struct.pack("<QI", length, 0) + b"abcd" for length in lengths}


@pytest.mark.timeout(600)
def test_no_container_costs_more_than_its_own_members(tmp_path: Path) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    good = _member(data=picture)
    files = _damaged_tars(good) | _damaged_zips(picture) | _records()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    inputs = [tmp_path / name for name in files]
    out = tmp_path / "out"
    assert imagebeam("label", tmp_path / "loose", *inputs, "-o", out, "-m", "demo") == 0
    labelled: dict[str, list[dict[str, Any]]] = defaultdict(list)
    failed: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for rows, found in ((predictions(out), labelled), (errors(out), failed)):
        for row in rows:
            found[Path(row["uri"].partition("!/")[0]).name].append(row)
    assert {*files} - {*labelled} - {*failed} == set()
    assert [name for name in files if name.endswith(".tar") and not labelled[name]] == []
    assert [
        row["message"] for rows in failed.values() for row in rows if "defect" in row["code"]
    ] == []
    assert labelled["0000.jpg"] != []
    assert verify(out) == []
