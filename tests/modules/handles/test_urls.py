import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.urls import fetch
from imagebeam.modules.open_module import open_module
from tests.modules.flatbuffers import echo


class _Server(ThreadingHTTPServer):
    """Serves bytes by path, and records the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content: dict[str, bytes] = {}
        self.requests: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.requests.append(self.path)
        content = self.server.content.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        declared = len(content) + (100 if "short" in self.path else 0)
        self.send_header("Content-Length", str(declared))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    return Cache(tmp_path / "cache")


def _module(directory: Path) -> Path:
    (directory / "assets.extra").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "assets.extra" / "module.tflite").write_bytes(echo())
    return directory


def test_a_flatbuffer_is_downloaded_once(server: _Server, cache: Cache) -> None:
    server.content["/a/module.tflite?version=1"] = echo()
    url = server.url("/a/module.tflite?version=1")
    first, second = fetch(url, cache), fetch(url, cache)
    assert (first.read_bytes(), second) == (echo(), first)


def test_a_missing_flatbuffer_is_refused(server: _Server, cache: Cache) -> None:
    with pytest.raises(ModuleError, match="nothing is there"):
        fetch(server.url("/module.tflite"), cache)


def test_a_flatbuffer_that_ends_early_is_refused(server: _Server, cache: Cache) -> None:
    server.content["/short.tflite"] = echo()
    with pytest.raises(ModuleError, match="fewer bytes arrived than were announced"):
        fetch(server.url("/short.tflite"), cache)


@pytest.mark.parametrize("url", ["ftp://host/module", "hdfs://host/m.tflite", "file:///m.tflite"])
def test_other_schemes_are_refused(cache: Cache, url: str) -> None:
    with pytest.raises(ModuleError, match="from http, https, gs, s3, kaggle and hf only"):
        fetch(url, cache)


def test_a_module_in_the_cache_of_tensorflow_hub_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://tfhub.dev/google/imagenet/mobilenet_v1_050_160/quantops/classification/1"
    # The directory that the library itself uses for this URL.
    _module(tmp_path / "hub" / "6daa3acca2438e4722c053155e6da8d20ed7fe60")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    module = open_module(url, cache=tmp_path / "cache")
    assert (module.handle, module.engine) == (url, "litert")
    assert open_module(f"{url}@{module.digest}", cache=tmp_path / "cache") == module


def test_tensorflow_hub_fetches_a_module_once(
    tmp_path: Path, server: _Server, cache: Cache
) -> None:
    archive = shutil.make_archive(str(tmp_path / "a"), "gztar", _module(tmp_path / "module"))
    server.content["/google/m/1?tf-hub-format=compressed"] = Path(archive).read_bytes()
    url = server.url("/google/m/1")
    found = fetch(url, cache)
    assert found.name == hashlib.sha1(url.encode()).hexdigest()
    assert (found / "saved_model.pb").read_bytes() == b"graph"
    assert fetch(url, cache) == found
    assert server.requests == ["/google/m/1?tf-hub-format=compressed"]


@pytest.mark.slow
def test_a_module_that_cannot_be_fetched_is_refused(server: _Server, cache: Cache) -> None:
    with pytest.raises(ModuleError, match=r"cannot be fetched \(HTTP Error 404"):
        fetch(server.url("/google/m/2"), cache)
    assert [each.name[-5:] for each in cache.directory("tfhub").iterdir()] == [".lock"]
