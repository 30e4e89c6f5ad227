import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebeam.images import uris
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.fetch import fetch

NAMES = [
    b"a.jpg",
    b"a b.jpg",
    b"a[1].jpg",
    b"*.jpg",
    b"a#b.jpg",
    b"a?b=c.jpg",
    b"%20.jpg",
    b"100%.jpg",
    b"a!b.jpg",
    b"a\nb.jpg",
    b"a\rb.jpg",
    b"\x1b[31m.jpg",
    "Öl–日本.jpg".encode(),
    "e\u0301.jpg".encode(),
    b"\xff\xfe.jpg",
    b"\xe9t\xe9.jpg",
    b"=cmd.jpg",
    b"<img src=x onerror=alert(1)>.jpg",
    b"-.jpg",
    b" .jpg",
    b"c:.jpg",
    b"x" * 251 + b".jpg",
]


@pytest.mark.parametrize("name", NAMES)
def test_unusual_names_are_preserved(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(name)
    uri = uris.from_path(os.fsdecode(path))
    # The name in a table.
    uri = uri.encode("utf-8").decode("utf-8")
    assert os.fsencode(uris.to_path(uri)) == path
    assert fetch(ImageLocation(uri), 1000) == name


@given(st.binary(min_size=1, max_size=60).filter(lambda name: not {0, 0x2F} & set(name)))
@settings(max_examples=200)
def test_every_path_survives_the_round_trip(name: bytes) -> None:
    path = b"/folder/-" + name
    uri = uris.from_path(os.fsdecode(path)).encode("utf-8").decode("utf-8")
    assert os.fsencode(uris.to_path(uri)) == path
    assert uris.scheme(uri) == "file"


def test_a_path_that_is_text_is_its_own_name() -> None:
    assert uris.from_path("/a b/%20#?.jpg") == "/a b/%20#?.jpg"


def test_a_path_that_is_not_text_is_percent_encoded() -> None:
    assert uris.from_path(os.fsdecode(b"/a b/\xff%.jpg")) == "file:///a%20b/%FF%25.jpg"


def test_relative_paths_start_where_the_job_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert uris.from_path("./b/../a.jpg") == f"{tmp_path}/a.jpg"


@pytest.mark.parametrize(
    ("entry", "uri"),
    [
        ("a.jpg", "/base/a.jpg"),
        ("b/../a.jpg", "/base/a.jpg"),
        ("/else/a.jpg", "/else/a.jpg"),
        ("a*[1]?.jpg", "/base/a*[1]?.jpg"),
        ("%20.jpg", "/base/%20.jpg"),
        ("file:///else/%20.jpg", "/else/ .jpg"),
        ("FILE:///else/a.jpg", "/else/a.jpg"),
        ("file:/else/%20.jpg", "/else/ .jpg"),
        ("file://localhost/else/a.jpg", "/else/a.jpg"),
        ("file:///else/%FF.jpg", "file:///else/%FF.jpg"),
        (os.fsdecode(b"\xff.jpg"), "file:///base/%FF.jpg"),
        (os.fsdecode(b"file:///else/\xff.jpg"), "file:///else/%FF.jpg"),
        ("gs://bucket/a b.jpg", "gs://bucket/a b.jpg"),
        ("https://host/a.jpg?b#c", "https://host/a.jpg?b#c"),
        ("c:\\a.jpg", "/base/c:\\a.jpg"),
    ],
)
def test_entries_of_a_manifest_are_taken_literally(entry: str, uri: str) -> None:
    assert uris.from_entry(entry, "/base") == uri


@pytest.mark.parametrize("entry", ["\ud800.jpg", "gs://bucket/\udcff.jpg"])
def test_an_impossible_entry_is_refused(entry: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        uris.from_entry(entry, "/base")


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("/a.jpg", "file"),
        ("a://b.jpg", "a"),
        ("GS://bucket/a.jpg", "gs"),
        ("file:///a.jpg", "file"),
        ("/a://b.jpg", "file"),
        ("1a://b.jpg", "file"),
        ("", "file"),
    ],
)
def test_schemes_are_recognised(uri: str, scheme: str) -> None:
    assert uris.scheme(uri) == scheme


_LONG = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://a.org/b%20c.jpg?size=3&page=a/b", "https://a.org/b%20c.jpg?size=3&page=a/b"),
        ("https://user:word@a.org:8443/b.jpg#top", "https://a.org:8443/b.jpg"),
        (
            f"https://b.s3.amazonaws.com/a.jpg?versionId=7&X-Amz-Credential=x&X-Amz-Signature={_LONG}",
            "https://b.s3.amazonaws.com/a.jpg?versionId=7",
        ),
        (
            "https://a.blob.core.windows.net/c/b.jpg?sv=2024&st=1&se=2&sr=b&sp=r&sig=abc%3D",
            "https://a.blob.core.windows.net/c/b.jpg",
        ),
        (
            "https://d.cloudfront.net/a.jpg?Expires=1&Signature=abc&Key-Pair-Id=K",
            "https://d.cloudfront.net/a.jpg",
        ),
        # Without a signature, these parameters do not sign anything.
        ("https://a.org/b?st=1&expires=2", "https://a.org/b?st=1&expires=2"),
        ("gs://bucket/a?size=b#c", "gs://bucket/a?size=b#c"),
        ("/folder/a?token=b@c", "/folder/a?token=b@c"),
    ],
)
def test_a_name_has_no_user_and_no_signature(address: str, name: str) -> None:
    assert uris.without_secrets(address) == name


@pytest.mark.parametrize(
    "address",
    [
        "https://a.org/b.jpg?token={}",
        "https://a.org/b.jpg?q={}&a=1",
        "https://a.org/b.jpg?{}",
        "https://a.org/b.jpg?api-key={}",
        "https://[a.org/{}/b.jpg",
    ],
)
def test_possible_secrets_are_hidden_but_still_distinguish_names(address: str) -> None:
    names = {uris.without_secrets(address.format(secret * 30)) for secret in "abc"}
    assert len(names) == 3
    assert not any("aaa" in name or "bbb" in name or "ccc" in name for name in names)
    assert all(uris.holds_secrets(address.format(secret * 30)) for secret in "abc")


def test_a_short_value_is_hidden_if_its_parameter_is_secret() -> None:
    assert "1234" not in uris.without_secrets("https://a.org/b.jpg?password=1234")
    assert "1234" in uris.without_secrets("https://a.org/b.jpg?id=1234")


def test_the_path_of_a_web_address_has_no_query() -> None:
    assert uris.path("https://a.org/b/c.TAR?x=y.zip#z") == "/b/c.TAR"
    assert uris.path("gs://a/b?c.zip") == "gs://a/b?c.zip"


def test_members_are_named_after_their_archive() -> None:
    assert uris.member("gs://a/b.tar", "c/d#e.jpg") == "gs://a/b.tar!/c/d#e.jpg"
    assert uris.member("/a/b.tar", os.fsdecode(b"\xff a.jpg")) == "/a/b.tar!/%FF%20a.jpg"


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_every_manifest_entry_makes_a_name(text: str) -> None:
    for address in (text, f"https://{text}", f"https://user:word@host/{text}", f"gs://{text}"):
        name = uris.without_secrets(address)
        assert uris.without_secrets(name) == name
        assert "user:word" not in name
        uris.path(address)
