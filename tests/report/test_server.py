"""Test the server of the page over loopback, as a browser uses it, and without its token."""

import http.client
import json
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from imagebeam.outputs.parts import write_part
from imagebeam.report.server import ReportServer
from tests.beam_pipeline.jobs import archive, imagebeam
from tests.outputs.outputs import CLASSES, claimed, failed, finish, labelled, named

TABBY, TIGER = CLASSES[:2]


@contextmanager
def served(root: Path) -> Iterator[ReportServer]:
    with closing(ReportServer(root)) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return two photos, one in an archive, one that is broken, one that is gone."""
    root = tmp_path_factory.mktemp("served")
    found = archive(root / "in", 3)
    with zipfile.ZipFile(root / "a.zip", "w") as file:
        file.write(found[2], "b.jpg")
    broken = root / "page.jpg"
    broken.write_text("<html><script>alert(1)</script>")
    return [*found[:2], f"{root}/a.zip!/b.jpg", str(broken), f"{root}/gone.jpg"]


@pytest.fixture(scope="module")
def server(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportServer]:
    root = tmp_path_factory.mktemp("served") / "out"
    layout = named(root, {name: place % 2 for place, name in enumerate(names)})
    shutil.rmtree(str(layout.errors))
    layout.errors.mkdir()
    write_part(layout, "9", labelled(), failed("/bad/\x1b.jpg", "/bad/2.jpg"))
    with served(root) as server:
        yield server


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(server: ReportServer, name: str, host: str = "", path: str = "") -> Answer:
    url = urlsplit(server.address)
    connection = http.client.HTTPConnection("127.0.0.1", url.port or 0)
    headers = {"Host": host or url.netloc}
    with closing(connection):
        connection.request("GET", path or url.path + name, headers=headers)
        return Answer(connection.getresponse())


def test_the_page_and_its_rows_are_served(server: ReportServer, names: list[str]) -> None:
    page = get(server, "")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"connect-src &#39;self&#39;" in page.body
    assert b"This page is served by a program on this machine." in page.body
    rows = get(server, f"pictures?class={quote(TIGER)}&sort=name&page=1").json
    assert rows["found"] == 2
    assert [row["path"] for row in rows["items"]] == sorted([names[1], names[3]])
    assert rows["items"][0]["top"] == [[TIGER, 0.75], [TABBY, 0.062]]
    assert get(server, "failures?code=not_found").json == {
        "found": 2,
        "items": [
            {"name": "/bad/\u241b.jpg", "message": "message"},
            {"name": "/bad/2.jpg", "message": "message"},
        ],
    }
    # A page that does not exist is the first one.
    assert len(get(server, "pictures?page=99").json["items"]) == 5


def test_lists_are_served(server: ReportServer, names: list[str]) -> None:
    text = get(server, "pictures.txt?sort=name")
    assert text.body.decode() == "".join(f"{name}\n" for name in sorted(names))
    table = get(server, f"pictures.csv?class={quote(TIGER)}&sort=name")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = table.body.decode().splitlines()
    assert lines == ["uri,label,score", *(f'"{name}","tiger",0.75' for name in sorted(names[1::2]))]


def place(server: ReportServer, name: str) -> int:
    [row] = get(server, f"pictures?name={quote(name)}").json["items"]
    return int(row["row"])


def test_pictures_are_read_when_they_are_shown(server: ReportServer, names: list[str]) -> None:
    for name in names[:3]:
        thumbnail = get(server, f"thumbnail/{place(server, name)}")
        assert thumbnail.headers["Content-Type"] == "image/webp"
        assert thumbnail.body[8:12] == b"WEBP"
    original = get(server, f"original/{place(server, names[0])}")
    assert original.body == Path(names[0]).read_bytes()
    assert original.headers["Content-Type"] == "image/jpeg"
    assert "sandbox" in original.headers["Content-Security-Policy"]
    member = get(server, f"original/{place(server, names[2])}")
    assert member.body.startswith(b"\xff\xd8\xff")


def test_what_is_no_picture_any_more_is_refused(server: ReportServer, names: list[str]) -> None:
    for kind in ("thumbnail", "original"):
        web_page = get(server, f"{kind}/{place(server, names[3])}")
        assert (web_page.status, web_page.body.split(b":")[0]) == (404, b"unsupported_format")
        gone = get(server, f"{kind}/{place(server, names[4])}")
        assert (gone.status, gone.body.split(b":")[0]) == (404, b"not_found")


@pytest.mark.parametrize(
    "name",
    [
        *("original/5", "original/-1", "original/x", "original/", "original/%2e%2e%2fetc%2fpasswd"),
        *("thumbnail//etc/passwd", "../", "etc/passwd", "pictures/1", "report.html"),
        *("pictures?sort=__class__", "pictures?year=x", "pictures?from=x", "pictures?page=x"),
    ],
)
def test_other_addresses_are_refused(server: ReportServer, name: str) -> None:
    assert get(server, name).status == 404


def test_the_token_is_needed(server: ReportServer) -> None:
    path = urlsplit(server.address).path
    wrong = path[:-2] + ("A" if path[-2] != "A" else "B") + "/"
    for given in ("/", "/pictures", wrong, f"{wrong}pictures", path[:-1], f"/?{path}", "//"):
        answer = get(server, "", path=given)
        assert answer.status == 404
        assert answer.body == b"open the whole address that was printed\n"
    assert get(server, "", path="http://example.org/").status == 404


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "evil.localhost:80"])
def test_another_host_is_refused(server: ReportServer, host: str) -> None:
    answer = get(server, "", host)
    assert (answer.status, TABBY.encode() in answer.body) == (403, False)


def test_only_reading_is_possible(server: ReportServer) -> None:
    url = urlsplit(server.address)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT"):
        with closing(http.client.HTTPConnection("127.0.0.1", url.port or 0)) as connection:
            connection.request(method, url.path)
            assert connection.getresponse().status == 501


def test_every_answer_forbids_other_pages_to_use_it(server: ReportServer) -> None:
    for name in ("", "pictures", "thumbnail/0", "nothing"):
        headers = get(server, name).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" in headers
        assert headers["Server"] == "imagebeam"


def test_a_port_in_use_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("a"), failed())
    finish(layout, ["a"], [], 1)
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert imagebeam("report", tmp_path, "--serve", "--port", port) == 2
    expected = f"--port {port}: cannot be used on 127.0.0.1: Address already in use. Give another"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--serve", "--port", "70000"), "--port 70000: give 1 to 65535."),
        (("--serve", "--output", "x"), "--output x: --serve writes no page."),
        (("--serve", "--thumbnails", "3"), "--thumbnails 3: --serve writes no page."),
        (("--port", "80"), "--port 80: works only with --serve. Add --serve."),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert imagebeam("report", tmp_path, *options) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_not_an_output_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("report", tmp_path, "--serve") == 2
    assert "not an output of imagebeam" in capsys.readouterr().err
