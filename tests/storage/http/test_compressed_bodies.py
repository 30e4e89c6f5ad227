import base64
import gzip
import hashlib
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest

from imagebeam.storage.errors import StoreError, TooLarge, Unsupported, WrongChecksum, WrongLength
from tests.storage.http.stores import DATA, failure, store
from tests.storage.web import Answer, Site, stored, whole


def _arrow(codec: str, data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def _bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_unrequested_compression_is_undone(site: Site, coding: str) -> None:
    packed = gzip.compress(DATA)
    digest = base64.b64encode(hashlib.sha256(packed).digest()).decode()
    url = site.add("/a", whole(packed, Content_Encoding=coding, Digest=f"sha-256={digest}"))
    assert store().read(url, 300) == DATA


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("deflate", zlib.compress(DATA)),
        ("deflate", _bare_deflate(DATA)),
        ("br", _arrow("brotli", DATA)),
        ("zstd", _arrow("zstd", DATA)),
        ("gzip, br", _arrow("brotli", gzip.compress(DATA, mtime=0))),
        ("utf-8, gzip", gzip.compress(DATA, mtime=0)),
    ],
)
def test_every_http_compression_is_undone(site: Site, coding: str, packed: bytes) -> None:
    assert store().read(site.add("/a", whole(packed, Content_Encoding=coding)), 300) == DATA


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(50_000_000), mtime=0)),
        ("deflate", zlib.compress(bytes(50_000_000))),
        ("br", _arrow("brotli", bytes(5_000_000))),
        ("zstd", _arrow("zstd", bytes(5_000_000))),
    ],
    ids=["gzip", "deflate", "br", "zstd"],
)
def test_a_compression_bomb_is_refused(site: Site, coding: str, bomb: bytes) -> None:
    url = site.add("/a", whole(bomb, Content_Encoding=coding))
    text = "unpacks to more than 100,000 bytes, the limit"
    assert failure(url, store(), 100_000) == (TooLarge, text)


@pytest.mark.parametrize(
    ("coding", "data", "kind"),
    [
        ("gzip", gzip.compress(DATA, mtime=0)[:-20], WrongLength),
        ("gzip", DATA, WrongChecksum),
        ("br", DATA, WrongChecksum),
        ("br", _arrow("brotli", DATA)[:-3], WrongLength),
        ("zstd", _arrow("zstd", DATA)[:-3], WrongLength),
        ("deflate", DATA, WrongChecksum),
        ("deflate", zlib.compress(DATA)[:-6], WrongLength),
        ("compress", DATA, Unsupported),
        ("gzip, gzip, gzip, gzip", DATA, Unsupported),
    ],
)
def test_damaged_compression_is_an_error(
    site: Site, coding: str, data: bytes, kind: type[StoreError]
) -> None:
    assert failure(site.add("/a", whole(data, Content_Encoding=coding)), store())[0] is kind


@pytest.mark.parametrize("coding", ["identity", "utf-8", "none", ""])
def test_unknown_content_encodings_are_ignored(site: Site, coding: str) -> None:
    assert store().read(site.add("/a", whole(DATA, Content_Encoding=coding)), 256) == DATA


@pytest.mark.parametrize("coding", ["br", "deflate", "compress", "gzip, gzip"])
def test_a_part_of_a_body_whose_bytes_show_no_compression_is_refused(
    site: Site, coding: str
) -> None:
    url = site.add("/a", whole(DATA, Content_Encoding=coding))
    with pytest.raises(Unsupported, match=f"compresses it as {coding}"):
        store().read(url, 256, 1, 2)
    with store().open(url) as file, pytest.raises(Unsupported, match=f"compresses it as {coding}"):
        file.read(1)


@pytest.mark.parametrize("answer", [whole, stored])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "zstd"])
def test_a_file_is_opened_as_it_is_sent(
    site: Site, answer: Callable[..., Answer], coding: str
) -> None:
    url = site.add("/a.tar.gz", answer(DATA, Content_Encoding=coding))
    with store().open(url) as file:
        assert file.read() == DATA
    assert store().read(url, 256, 1, 2) == DATA[1:3]
