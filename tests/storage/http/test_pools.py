import gc
import logging
import socket
import ssl
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
import trustme

from imagebeam.storage.errors import (
    BlockedAddress,
    ConnectionFailed,
    Missing,
    StoreError,
    TimedOut,
    TooManyRedirects,
    Unsupported,
)
from imagebeam.storage.http import addresses
from imagebeam.storage.http.pools import WebHosts
from imagebeam.storage.http.store import HttpStore
from imagebeam.storage.types import Settings
from tests.storage.web import Answer, Request, Site, raw, redirect, stall, whole

_PUBLIC = "93.184.216.34"


class Resolver:
    """Names that resolve as a test needs; each lookup gives the next of their addresses."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.requested: list[str] = []

    def __call__(self, host: str, port: int) -> list[addresses.HostAddress]:
        self.requested.append(host)
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, (address, port))
            for address in found
        ]


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


def store(
    private: bool = True,
    seconds: float = 5,
    attempts: int = 1,
    connections: int = 8,
    look_up: addresses.LookUp = addresses.look_up,
    check: addresses.Check = addresses.check,
) -> HttpStore:
    settings = Settings(
        seconds=seconds,
        attempts=attempts,
        allow_private_hosts=private,
        connections_per_host=connections,
        first_pause=0.01,
    )
    return HttpStore(settings, WebHosts(settings, look_up=look_up, check=check))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
    ],
)
def test_this_machine_is_blocked(site: Site, host: str) -> None:
    site.add("/a", whole(b"secret"))
    for attempt in (
        lambda: store(private=False).read(site.url("/a", host), 99),
        lambda: store(private=False).info(site.url("/a", host)),
        lambda: store(private=False).open(site.url("/a", host)),
    ):
        with pytest.raises(BlockedAddress):
            attempt()
    assert site.connections == 0


def test_private_addresses_are_reached_with_permission(site: Site) -> None:
    site.add("/a", whole(b"mine"))
    assert store().read(site.url("/a", "localhost"), 99) == b"mine"


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "100.100.100.200",
        "2852039166",
        "0xa9fea9fe",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
    ],
)
def test_metadata_servers_are_always_blocked(host: str, private: bool) -> None:
    with pytest.raises(BlockedAddress):
        store(private).read(f"http://{host}/latest/meta-data/", 99)


def test_a_blocked_host_is_tried_once(resolver: Resolver) -> None:
    resolver.names = {"a.example": [["10.0.0.1"]]}
    with pytest.raises(BlockedAddress, match=r"^10\.0\.0\.1 is private"):
        store(private=False, attempts=5, look_up=resolver).read("http://a.example/", 99)
    assert resolver.requested == ["a.example"]


def test_one_private_address_among_public_ones_blocks_the_host(
    site: Site, resolver: Resolver
) -> None:
    resolver.names = {"a.example": [[_PUBLIC, "127.0.0.1"]]}
    with pytest.raises(BlockedAddress):
        store(private=False, look_up=resolver).read(site.url("/a", "a.example"), 99)
    assert site.connections == 0


def test_the_connection_goes_to_the_address_that_was_judged(site: Site, resolver: Resolver) -> None:
    # A second lookup, as a client library would do, would find another address.
    resolver.names = {"a.example": [["127.0.0.1"], ["127.9.9.9"]]}
    site.add("/a", whole(b"1"))
    assert store(look_up=resolver).read(site.url("/a", "a.example"), 99) == b"1"
    assert resolver.requested == ["a.example"]
    assert site.requests[0][2]["Host"] == f"a.example:{site.port}"


def test_a_name_with_a_changed_address_is_judged_again(site: Site, resolver: Resolver) -> None:
    # The first address is considered public but does not respond; the second is the site's.
    def check(address: str, _: bool) -> None:
        addresses.check(address, address == "127.9.9.9")

    resolver.names = {"a.example": [["127.9.9.9"], ["127.0.0.1"]]}
    with pytest.raises(BlockedAddress):
        store(private=False, attempts=4, look_up=resolver, check=check).read(
            site.url("/a", "a.example"), 99
        )
    assert resolver.requested == ["a.example"] * 2
    assert site.connections == 0


def test_the_next_address_is_tried(site: Site, resolver: Resolver) -> None:
    resolver.names = {"a.example": [["127.9.9.9", "127.0.0.1"]]}
    site.add("/a", whole(b"1"))
    assert store(look_up=resolver).read(site.url("/a", "a.example"), 99) == b"1"


def test_a_missing_host_is_resolved_once() -> None:
    requested = []

    def unknown(host: str, port: int) -> NoReturn:
        requested.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(ConnectionFailed, match=r"^there is no host of that name$"):
        store(attempts=5, look_up=unknown).read("http://a.example/?secret", 99)
    assert requested == ["a.example"]


def test_a_failing_resolver_is_retried() -> None:
    requested = []

    def absent(host: str, port: int) -> NoReturn:
        requested.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.raises(ConnectionFailed, match=r"^the host's name cannot be resolved$"):
        store(attempts=3, look_up=absent).read("http://a.example/", 99)
    assert len(requested) == 3


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("file:///etc/passwd", Unsupported),
        ("ftp://example.com/a", Unsupported),
        ("gopher://127.0.0.1:1/_x", Unsupported),
        ("data:image/png;base64,AAAA", Unsupported),
        ("javascript:alert(1)", Unsupported),
        ("http://[::1", Unsupported),
        ("http://a.example:99999/", Unsupported),
        ("http://169.254.169.254/latest/meta-data/", BlockedAddress),
        ("//169.254.169.254/", BlockedAddress),
        ("http://0xa9fea9fe/", BlockedAddress),
        ("/a", TooManyRedirects),
    ],
)
def test_redirects_are_judged_like_urls(site: Site, target: str, kind: type[StoreError]) -> None:
    url = site.add("/a", redirect(target))
    with pytest.raises(kind) as caught:
        store(attempts=5).read(url, 99)
    assert target not in str(caught.value)


def test_a_public_host_cannot_redirect_to_a_private_one(site: Site, resolver: Resolver) -> None:
    # For this test only, 127.0.0.1 is considered public under the name a.example.
    with Site().running() as canary:
        canary.add("/a", whole(b"secret"))
        resolver.names = {"a.example": [["127.0.0.1"]], "127.0.0.1": [["127.0.0.1"]]}
        site.add("/a", redirect(canary.url("/a", "10.0.0.1")))
        resolver.names["10.0.0.1"] = [["169.254.1.1"]]
        with pytest.raises(BlockedAddress):
            store(look_up=resolver).read(site.url("/a", "a.example"), 99)
        assert canary.connections == 0


def test_redirects_stop_after_five(site: Site) -> None:
    for number in range(6):
        site.add(f"/{number}", redirect(f"/{number + 1}"))
    site.add("/6", whole(b"too far"))
    with pytest.raises(TooManyRedirects, match=r"^more than 5 redirects, one after the other$"):
        store(attempts=5).read(site.url("/0"), 99)
    assert [path for _, path, _ in site.requests] == [f"/{number}" for number in range(6)]


def test_passwords_stay_with_their_host(site: Site) -> None:
    with Site().running() as other:
        other.add("/a", whole(b"1"))
        site.add("/away", redirect(other.url("/a")))
        site.add("/named", redirect(other.url("/a", "eve:evil@127.0.0.1")))
        site.add("/home", redirect("/end"))
        site.add("/end", whole(b"1"))
        other.add("/back", redirect(site.url("/end")))
        site.add("/there", redirect(other.url("/back")))
        for path in ("/away", "/named", "/home", "/there"):
            assert store().read(site.url(path, "user:secret@127.0.0.1"), 99) == b"1"
        sent = [(path, "Authorization" in headers) for _, path, headers in site.requests]
        assert sent == [
            ("/away", True),
            ("/named", True),
            ("/home", True),
            ("/end", True),
            ("/there", True),
            ("/end", False),
        ]
        assert [path for _, path, headers in other.requests if "Authorization" in headers] == []


@pytest.mark.parametrize(
    "location", ["/ü".encode().decode("latin-1"), "/%C3%BC", "%C3%BC", "//127.0.0.1:{port}/%C3%BC"]
)
def test_redirect_targets_are_relative_to_the_redirecting_url(site: Site, location: str) -> None:
    site.add("/%C3%BC", whole(b"1"))
    url = site.add("/a", redirect(location.format(port=site.port)))
    assert store().read(url, 99) == b"1"


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """Return the only trusted certificate authority of this test."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return authority


def _context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_tls_verifies_the_name_and_not_the_address(
    authority: trustme.CA, resolver: Resolver
) -> None:
    resolver.names = {"a.example": [["127.0.0.1"]], "b.example": [["127.0.0.1"]]}
    requested: list[str | None] = []
    context = _context(authority, "a.example")
    context.sni_callback = lambda connection, name, context: requested.append(name)
    with Site(context).running() as site:
        site.add("/a", whole(b"1"))
        reader = store(attempts=5, look_up=resolver)
        assert reader.read(site.url("/a", "a.example"), 99) == b"1"
        assert reader.read(site.url("/a", "a.example"), 99) == b"1"
        assert (requested, site.connections) == (["a.example"], 1)
        with pytest.raises(ConnectionFailed, match="cannot prove its name: Hostname mismatch"):
            reader.read(site.url("/a", "b.example"), 99)
        assert site.connections == 2


def test_tls_needs_a_trusted_certificate(authority: trustme.CA, resolver: Resolver) -> None:
    resolver.names = {"a.example": [["127.0.0.1"]]}
    with Site(_context(trustme.CA(), "a.example")).running() as site:
        with pytest.raises(ConnectionFailed, match="cannot prove its name: unable to get local"):
            store(attempts=5, look_up=resolver).read(site.url("/a", "a.example"), 99)
        assert (site.connections, site.requests) == (1, [])


def test_tls_works_with_an_address(authority: trustme.CA) -> None:
    with Site(_context(authority, "127.0.0.1")).running() as site:
        site.add("/a", whole(b"1"))
        assert store().read(site.url("/a"), 99) == b"1"


def test_tls_with_a_plain_text_server_is_an_error(authority: trustme.CA, site: Site) -> None:
    with pytest.raises(ConnectionFailed):
        store(seconds=1).read(site.url("/a").replace("http:", "https:"), 99)


def test_tls_detects_long_and_stalled_responses(authority: trustme.CA) -> None:
    with Site(_context(authority, "127.0.0.1")).running() as site:
        url = site.add("/a", whole(b"123", Content_Length="2"), whole(b"12"))
        assert store(attempts=2).read(url, 99) == b"12"
        with pytest.raises(TimedOut):
            store(seconds=0.5).read(site.add("/b", stall(b"HTTP/1.1 200")), 99)


def test_a_stalled_handshake_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimedOut):
        store(seconds=0.3).read(f"https://127.0.0.1:{silent.getsockname()[1]}/", 99)


def test_redirects_from_tls_to_plain_text_are_refused(authority: trustme.CA, site: Site) -> None:
    site.add("/a", whole(b"1"))
    with Site(_context(authority, "127.0.0.1")).running() as safe:
        safe.add("/down", redirect(site.url("/a")))
        safe.add("/a", whole(b"2"))
        site.add("/up", redirect(safe.url("/a")))
        with pytest.raises(Unsupported, match="from https:// to http://"):
            store().read(safe.url("/down"), 99)
        assert site.connections == 0
        assert store().read(site.url("/up"), 99) == b"2"


def test_concurrent_requests_are_limited(site: Site) -> None:
    together = threading.Barrier(3)

    def answer(request: Request) -> None:
        together.wait()
        whole(b"1")(request)

    url = site.add("/a", answer)
    reader = store(connections=3)
    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(lambda _: reader.read(url, 9), range(12))) == [b"1"] * 12
    assert (site.busiest, site.connections) == (3, 3)


def test_failures_release_their_connection(site: Site) -> None:
    reader = store(connections=1)
    failing: list[Answer] = [
        raw(b""),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"),
        whole(b"12", Content_Length="1"),
        whole(bytes(100)),
        redirect("file:///a"),
    ]
    for number, answer in enumerate(failing):
        with pytest.raises(StoreError):
            reader.read(site.add(f"/{number}", answer), 9)
    with pytest.raises(BlockedAddress):
        reader.read("http://169.254.169.254/", 9)
    assert reader.read(site.add("/a", whole(b"1")), 9) == b"1"


@pytest.mark.parametrize("length", ["3, 6", "x", "-3"])
def test_a_malformed_length_leaves_no_socket_open(site: Site, length: str) -> None:
    url = site.add("/x", raw(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nabc".encode()))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        try:
            store().read(url, 100)
        except ConnectionFailed:
            assert length == "3, 6"
        gc.collect()
    assert [str(warning.message) for warning in seen] == []


def test_the_number_of_connected_hosts_is_limited(resolver: Resolver) -> None:
    resolver.names = {f"{n}.example": [["127.0.0.1"]] for n in range(4)}
    with Site().running() as site:
        site.add("/a", whole(b"1"))
        settings = Settings(allow_private_hosts=True)
        reader = HttpStore(settings, WebHosts(settings, 2, resolver))
        for number in [0, 1, 0, 2, 0, 1]:
            assert reader.read(site.url("/a", f"{number}.example"), 9) == b"1"
    assert resolver.requested == ["0.example", "1.example", "2.example", "1.example"]


def test_environment_and_netrc_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Site
) -> None:
    with Site().running() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        assert store().read(site.add("/a", whole(b"1")), 9) == b"1"
        assert proxy.connections == 0
    assert "Authorization" not in site.requests[0][2]


def test_secrets_of_urls_are_not_in_logs_or_errors(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "CANARY"
    broken = b"HTTP/1.1 200 OK\r\nbroken header\r\nContent-Length: 1\r\n\r\n1"
    site.add(f"/ok?key={secret}", whole(b"1"))
    site.add(f"/broken?key={secret}", raw(broken))
    site.add(f"/gone?key={secret}", raw(b""))
    site.add(f"/moved?key={secret}", redirect(f"/missing?key={secret}"))
    reader = store(attempts=2)
    for path in ("ok", "broken", "gone", "moved", "missing"):
        url = site.url(f"/{path}?key={secret}", f"user:{secret}@127.0.0.1")
        try:
            reader.read(url, 9)
        except (ConnectionFailed, Missing) as error:
            chain: BaseException | None = error
            while chain:
                assert secret not in str(chain)
                chain = chain.__cause__ or chain.__context__
    assert "/ok?…" in caplog.text
    assert "broken header" not in caplog.text
    assert secret not in caplog.text


def test_a_proxy_is_used_on_request_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("http://public.example:80/a", whole(b"through the proxy"))
    monkeypatch.setenv("http_proxy", site.url(""))
    monkeypatch.setenv("no_proxy", "")
    settings = Settings(attempts=1, use_proxies=True)
    assert HttpStore(settings).read("http://public.example/a", 99) == b"through the proxy"
    with pytest.raises(ConnectionFailed):
        store().read("http://public.example/a", 99)
