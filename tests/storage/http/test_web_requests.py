import base64
from importlib.metadata import version

import pytest

from imagebeam.storage.errors import ServerFailed, Unsupported
from imagebeam.storage.types import ObjectInfo, RequestHeader
from tests.storage.http.stores import DATA, failure, store
from tests.storage.web import Request, Site, redirect, status, stored, whole


def test_requests_name_the_user_agent(site: Site) -> None:
    site.add("/a%20b?c=d", whole(b"1"))
    assert store().read(site.url("/a b?c=d#e"), 1) == b"1"
    ((method, path, headers),) = site.requests
    assert (method, path) == ("GET", "/a%20b?c=d")
    assert headers == {
        "Host": f"127.0.0.1:{site.port}",
        "User-Agent": f"imagebeam/{version('imagebeam')} (+https://pypi.org/project/imagebeam/)",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }


def test_the_user_agent_can_be_chosen(site: Site) -> None:
    store(user_agent="me (a@example.com)").read(site.add("/a", whole(DATA)), 999)
    assert site.requests[0][2]["User-Agent"] == "me (a@example.com)"


def test_redirects_are_followed_up_to_five(site: Site) -> None:
    codes = [301, 302, 303, 307, 308]
    for number, code in enumerate(codes):
        site.add(f"/{number}", redirect(f"/{number + 1}", code))
    site.add("/5", stored(DATA))
    assert store().read(site.url("/0"), 256) == DATA
    assert store().read(site.url("/0"), 256, 3, 4) == DATA[3:7]
    assert store().info(site.url("/0")) == ObjectInfo(site.url("/0"), 256, "")


def test_a_redirect_without_a_target_is_an_error(site: Site) -> None:
    assert failure(site.add("/a", status(302)), store())[0] is ServerFailed


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///a",
        "http://host:99999/",
        "http://ho st/",
        "http://ho\nst/",
        "http://[::1/",
        "http://ü\ud800/",
        "ftp://host/",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
        "javascript:alert(1)",
    ],
)
def test_invalid_urls_are_errors(url: str) -> None:
    with pytest.raises(Unsupported, match=r"^it is "):
        store().read(url, 9)


def test_a_url_can_contain_a_password(site: Site) -> None:
    site.add("/a", whole(b"1"))
    url = f"http://us%40er:pa%3Ass@127.0.0.1:{site.port}/a"
    assert store().read(url, 9) == b"1"
    expected = base64.b64encode(b"us@er:pa:ss").decode()
    assert site.requests[0][2]["Authorization"] == f"Basic {expected}"


def test_a_cookie_of_a_redirect_is_sent_to_its_host(site: Site) -> None:
    def with_cookie(request: Request) -> None:
        cookies = request.headers.get("Cookie", "")
        if "seen=1" in cookies:
            whole(DATA)(request)
        else:
            redirect("/a", Set_Cookie="seen=1; Path=/; HttpOnly")(request)

    url = site.add("/a", with_cookie)
    assert store().read(url, 999) == DATA
    # The next read starts without the cookie.
    assert store().read(url, 999) == DATA
    assert ["Cookie" in headers for _, _, headers in site.requests] == [False, True, False, True]


def test_a_cookie_of_a_redirect_is_sent_to_no_other_host(site: Site) -> None:
    elsewhere = site.url("/b", "localhost")
    url = site.add("/a", redirect(elsewhere, Set_Cookie="seen=1; Path=/"))
    site.add("/b", whole(DATA))
    assert store().read(url, 999) == DATA
    assert not any("Cookie" in headers for _, _, headers in site.requests)


def test_headers_are_sent_only_to_their_host_after_a_redirect(site: Site) -> None:
    headers = (
        RequestHeader("X-Here", "1", "127.0.0.1"),
        RequestHeader("X-There", "2", f"localhost:{site.port}"),
        RequestHeader("X-All", "3"),
    )
    url = site.add("/a", redirect(site.url("/b", "localhost")))
    site.add("/b", whole(DATA))
    store(headers=headers).read(url, 999)
    sent = [{n: h.get(n) for n in ("X-Here", "X-There", "X-All")} for _, _, h in site.requests]
    assert sent == [
        {"X-Here": "1", "X-There": None, "X-All": "3"},
        {"X-Here": None, "X-There": "2", "X-All": "3"},
    ]
