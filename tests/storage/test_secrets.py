from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebeam.storage.clean_text import clean_text, without_secrets_in
from imagebeam.storage.secrets import (
    HideQuery,
    member_without_secrets,
    without_secrets,
)

_CANARY = "hunterword"
"""A word: that values look random is of no help."""

_ADDRESSES = [
    "https://user:{}@a.org/b.jpg",
    "https://{}@a.org/b.jpg",
    "https://user:pa/{}@a.org/b.jpg",
    "https://a.org/b.jpg?apikey={}",
    "https://a.org/b.jpg?code={}",
    "https://a.org/b.jpg?k={}",
    "https://a.org/b.jpg?x=1&hdnts={}",
    "https://a.org/b.jpg?session_id={}",
    "https://a.org/b.jpg?%61pi%4bey={}",
    "https://a.org/b.jpg?%2561uth={}",
    "https://a.org/b.jpg?pw={}",
    "https://a.org/b.jpg?{}",
    "https://a.org/b.jpg;jsessionid={}",
    "https://a.org/b.jpg;jsessionid={}?a=1",
    "https://a.org/b.jpg?q={}" + "x" * 20,
    "https://a.org/b.jpg?X-Amz-Signature={}",
    "https://a.org/b.jpg#{}",
    "s3://KEY:{}@bucket/b.jpg",
    "s3://KEY:ab/{}@bucket/b.jpg",
    "gs://bucket/b.jpg?X-Goog-Signature={}",
    "https://[a.org/{}/b.jpg",
    "https://a.org/b.jpg?%252561pikey={}",
    "https://a.org/b.jpg?%6Bey={}",
    "https://a.org/b.jpg?tok%00en={}",
    "https://a.org/b.jpg?\uff4b\uff45\uff59={}",
    "https://a.org/b.jpg?w=1;key={}",
    "https://a.org/b.jpg?w=1;{}",
    "https://a.org/b.jpg?a=1%26key%3D{}",
    "https://a.org/b.jpg?a=%3Fkey%3D{}",
    "https://a.org/b.jpg?={}",
    "https://a.org/b.jpg?Policy={}&Key-Pair-Id=x",
    "https://a.org/b.jpg?x=hf_{}",
    "https://a.org/dl/hf_{}/b.jpg",
    "https://a.org/x;%6Bey={}/b.jpg",
    "https://a.org/x%3Btoken%3D{}/b.jpg",
    "https://a.org/token={}/b.jpg",
    "https://a.org/x&token={}/b.jpg",
    "https://user:p@ss/{}@a.org/b.jpg",
    "https://user:p/{}@x@a.org/b.jpg",
    "https://user:p?{}@a.org/b.jpg",
    "https://user:{}%40a.org/b.jpg",
    "https://a.org:{}/b.jpg",
    "https://a.org/user:{}@b.org/c.jpg",
    "https:user:{}@a.org/b.jpg",
    "https:///user:{}@a.org/b.jpg",
    "https://user:{}@b\u00fccher.example/b.jpg",
    "s3://bucket/b.jpg?X-Amz-Security-Token={}",
    "s3://bucket/b.jpg?%53ignature={}",
    "gs://bucket/b.jpg?access_token={}",
    "https://a.org/b.jpg?q=%7B%22token%22%3A%22{}%22%7D",
    "https://a.org/b.jpg?q=%7B'auth'%20:%20'{}'%7D",
    "https://a.org/b.jpg?cookie={}",
]


@pytest.mark.parametrize("address", _ADDRESSES)
@pytest.mark.parametrize("hide", ["secret", "all"])
def test_a_name_contains_no_secret(address: str, hide: HideQuery) -> None:
    assert _CANARY not in without_secrets(address.format(_CANARY), hide)


@pytest.mark.parametrize("address", _ADDRESSES)
@pytest.mark.parametrize(
    "text", ["{}", "{}: cannot be read", "'{}'", "a,b\n{}\tc", "({})", 'see "{}".']
)
def test_a_message_contains_no_secret(address: str, text: str) -> None:
    if "#" not in address and "[" not in address:
        assert _CANARY not in clean_text(text.format(address.format(_CANARY)))


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "{{'Authorization': 'Basic {}'}}",
        "Cookie: a=b; c={}",
        "Bearer {}0123456789",
        "AWS_SECRET_ACCESS_KEY={}",
        "b.jpg?token={}",
        "https%3A%2F%2Fa.org%2Fb.jpg%3Fsig%3D{}",
        "password = {}",
        "https://a.org/?next=https://b.org/?sig={}",
        "X-Api-Key: {}",
        "x-amz-security-token: {}",
        "{{'x-goog-signature': '{}'}}",
        'body {{"private_key": "{}", "a": 1}}',
        '{{"client_secret" : "{}"}}',
        "passwd: {}",
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        'https://a.org/b.jpg?q={{"token":"{}"}}',
    ],
)
def test_a_message_contains_no_header_and_no_assigned_secret(text: str) -> None:
    assert _CANARY not in clean_text(text.format(_CANARY))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("/photos/a b.jpg: not a file. Name it.", "/photos/a b.jpg: not a file. Name it."),
        ("https://a.org/b.jpg: status 404.", "https://a.org/b.jpg: status 404."),
        ("https://a.org:8080/b@2x.png?w=1: no.", "https://a.org:8080/b@2x.png?…: no."),
        ("gs://bucket/a@b/c.tar!/d.jpg", "gs://bucket/a@b/c.tar!/d.jpg"),
        ("--max-failure-rate 0.5: code 3", "--max-failure-rate 0.5: code 3"),
        ("token: not found; key: 'uri'", "token: not found; key: 'uri'"),
        ("the key 'uri' is missing; assigned = 3", "the key 'uri' is missing; assigned = 3"),
    ],
)
def test_other_text_is_kept(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    "parameter", ["size=3", "page=a/b", "versionId=7", "w=1024", "v=2024-01-31"]
)
def test_harmless_parameters_are_shown(parameter: str) -> None:
    assert without_secrets(f"https://a.org/b?{parameter}") == f"https://a.org/b?{parameter}"


@pytest.mark.parametrize("address", [a for a in _ADDRESSES if "?" in a and "Signature" not in a])
@pytest.mark.parametrize("hide", ["secret", "all"])
def test_hidden_values_still_distinguish_rows(address: str, hide: HideQuery) -> None:
    if "@" not in address and ";" not in address and "Policy" not in address:
        names = {without_secrets(address.format(f"{_CANARY}{n}"), hide) for n in range(3)}
        assert len(names) == 3


def test_a_whole_query_or_none_is_hidden_on_request() -> None:
    address = "https://user:word@a.org/b.jpg?token=abc&w=3"
    assert without_secrets(address, "none") == "https://a.org/b.jpg?token=abc&w=3"
    assert without_secrets(address, "all").startswith("https://a.org/b.jpg?~")
    assert "w=3" not in without_secrets(address, "all")


def test_a_new_signature_does_not_change_the_name() -> None:
    for hide in get_args(HideQuery):
        names = {
            without_secrets(f"https://a.org/b.jpg?v=1&Expires={n}&Signature=x{n}", hide)
            for n in range(3)
        }
        assert len(names) == 1


@given(st.text(max_size=60), st.sampled_from(get_args(HideQuery)))
@settings(max_examples=300)
def test_a_cleaned_name_is_stable(text: str, hide: HideQuery) -> None:
    for address in (f"https://{text}", f"https://user:word@host/{text}", f"gs://{text}"):
        name = without_secrets(address, hide)
        assert without_secrets(name, hide) == name
        clean_text(address)


@pytest.mark.parametrize(
    "part", ["x", "token", "%", "-", "a:", "a.b+", "https://", "sig=", "=", ";a", ")", "cookie "]
)
def test_a_long_text_is_cleaned_in_a_bounded_number_of_steps(part: str) -> None:
    """Test a length whose square would take hours."""
    text = part * (200_000 // len(part))
    assert clean_text(text).startswith(part[0])


@pytest.mark.parametrize(
    "address",
    [
        '/in/"https:/u:CANARY@h/a.jpg?q=1"',
        "/in/https:/u:CANARY@h/a.jpg",
        "/in/ 'HTTPS:///h/a.jpg?q=CANARY",
        "s3://KEY:CANARY/bucket/a.jpg",
    ],
)
def test_a_mistyped_address_hides_what_may_be_secret(address: str) -> None:
    shown = without_secrets(address)
    assert "CANARY" not in shown
    assert shown != without_secrets(address.replace("CANARY", "OTHER"))
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    "path", ["/in/https:/h/a.jpg", "/in/a?b.jpg", "/in/u:p@h/a.jpg", "/s3/x@y"]
)
def test_a_local_path_is_shown_as_it_is(path: str) -> None:
    assert without_secrets(path) == path


@pytest.mark.parametrize("text", ["'//u:CANARY@h/x.jpg' has no scheme", "https:/:CANARY@h/x: no"])
def test_a_password_in_an_address_without_a_scheme_is_in_no_message(text: str) -> None:
    assert "CANARY" not in clean_text(text)
    assert "h/x" in clean_text(text)


@pytest.mark.parametrize("slashes", ["\\\\", "\\", ":\\\\"[1:], "/\\"])
def test_a_url_with_backslashes_is_hidden_in_names_and_texts(slashes: str) -> None:
    address = f"/folder/http:{slashes}user:s3cr3t@a.org{slashes[0]}b.jpg"
    assert "s3cr3t" not in without_secrets(address)
    assert without_secrets(address).startswith("/folder/http:")
    assert "s3cr3t" not in clean_text(f"{address}: No such file")


@pytest.mark.parametrize(
    "text",
    [
        "--job_endpoint=user:{}@a.org:1: no job server",
        "https://a.org/b.jpg?x=a b&key={}",
        "https://a.org/b'.jpg?key={}",
        "https://a.org/b.jpg?x=|key={}",
        "x=https://a.org/b;token={}",
        "hf_{}0123 is no token",
        "the token eyJhbGciOi.eyJzdWIi.{}",
    ],
)
def test_a_message_contains_no_secret_in_any_place(text: str) -> None:
    assert _CANARY not in clean_text(text.format(_CANARY))


@pytest.mark.parametrize(
    "name",
    [
        "https://a.org/b.jpg?sig={}",
        "https://user:{}@a.org/b.jpg",
        "https:/user:{}@a.org/b.jpg",
        "b.jpg?X-Amz-Signature={}",
        "a.org/b.jpg?token={}",
        "b.zip!/https://a.org/b.jpg?key={}",
    ],
)
def test_members_whose_names_are_addresses_show_no_secret_and_stay_different(name: str) -> None:
    members = [name.format(f"{_CANARY}{number}") for number in range(3)]
    members += [f"{member}#1" for member in members]
    shown = [member_without_secrets(member) for member in members]
    assert [each for each in shown if _CANARY in each] == []
    assert len({*shown}) == len(members)


@pytest.mark.parametrize(
    "name", ["a/b.jpg", "b.jpg?w=1#2", "https://a.org/b.jpg?w=1", "token=1.jpg"]
)
def test_other_names_of_members_are_shown_as_they_are(name: str) -> None:
    assert member_without_secrets(name) == name


def test_addresses_in_values_of_columns_show_no_secret() -> None:
    address = f"https://user:{_CANARY}@a.org/?sig={_CANARY}"
    value = {"page": address, "all": [f"<a href='{address}'>", 3, None], "text": "1 = 1; w=2"}
    shown = without_secrets_in(value)
    assert _CANARY not in str(shown)
    assert shown["all"][0] == "<a href='https://a.org/'>"
    assert shown["text"] == value["text"]
    assert without_secrets_in(f"at https:\\\\u:{_CANARY}@a.org\\b") == "at https:\\\\a.org\\b"
    assert without_secrets_in("me@example.com, 12:30 @ home") == "me@example.com, 12:30 @ home"
    assert without_secrets_in("see https://a.org/?w=1#top.") == "see https://a.org/?w=1#top."
