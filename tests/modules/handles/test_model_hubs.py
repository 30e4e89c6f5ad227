import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imagebeam.extras import install_command
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import digest_of_file
from imagebeam.modules.handles.model_hubs import fetch_from_model_hub
from tests.modules.flatbuffers import UINT8, echo

_ROOT = Path(__file__).parents[3]
_KAGGLE = "kaggle://owner/model/tfLite/variation"
_COMMIT = "0123456789012345678901234567890123456789"

_OPEN = """
import sys
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import open_module
try:
    module = open_module(sys.argv[1])
except ModuleError as error:
    sys.exit(f"ModuleError: {error}")
print(module.path.name, module.digest)
"""


@dataclass
class _Hub:
    """A local server that responds like both hubs.

    Attributes:
        files: of its only model, by path.
        requests: the requests for the model that arrived.
        variables: of the environment of a program that is to use it.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def open(self, handle: str, folder: Path, **variables: str) -> str:
        """Open a handle in a new process: the libraries read the environment at their import."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "KAGGLE")) and "proxy" not in name.lower()
        }
        result = subprocess.run(
            [sys.executable, "-c", _OPEN, handle],
            cwd=_ROOT,
            env={
                **environment,
                "HOME": str(folder),
                "XDG_CACHE_HOME": str(folder / "cache"),
                **self.variables,
                **variables,
            },
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in result.stderr, result.stderr
        return (result.stdout + result.stderr).strip()


@pytest.fixture
def hub() -> Iterator[_Hub]:
    hub = _Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            wanted = json.loads(body)
            method = self.path.rpartition("/")[2]
            hub.requests.append(method)
            if method == "GetModelInstance":
                self._send(json.dumps({"versionNumber": 3}).encode())
            elif method == "ListModelInstanceVersionFiles":
                files = [{"name": name, "size": len(data)} for name, data in hub.files.items()]
                self._send(json.dumps({"files": files}).encode())
            else:
                self._send(hub.files.get(wanted.get("path")))

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/api/models/owner/repo/revision/main":
                hub.requests.append("main")
                self._send(json.dumps({"id": "owner/repo", "sha": _COMMIT}).encode())
            elif path == f"/api/models/owner/repo/tree/{_COMMIT}":
                files = [
                    {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                    for name, data in hub.files.items()
                ]
                self._send(json.dumps(files).encode())
            else:
                name = path.removeprefix(f"/owner/repo/resolve/{_COMMIT}/")
                if self.command == "GET" and name in hub.files:
                    hub.requests.append(name)
                self._send(hub.files.get(name))

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, content: bytes | None) -> None:
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("X-Repo-Commit", _COMMIT)
            self.send_header("ETag", f'"{hash(content)}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content or b"")

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    # kagglehub has no variable for an address, only one for `http://localhost`. So this server is
    # its proxy.
    hub.variables = {
        "HF_ENDPOINT": address,
        "HTTP_PROXY": address,
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "NO_PROXY": "127.0.0.1",
    }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def digest(tmp_path: Path) -> str:
    file = tmp_path / "echo.tflite"
    file.write_bytes(echo(dtype=UINT8))
    return digest_of_file(file)


@pytest.mark.parametrize(
    "handle",
    [
        "kaggle://owner/model",
        "kaggle://owner/model/tfLite/variation/1/../../x",
        "kaggle://owner/../tfLite/variation",
        "kaggle://",
        "hf://owner",
        "hf://owner/repo/../../x",
        "hf://owner/repo//x",
        "hf://owner/repo@",
        "hf://../repo",
    ],
)
def test_a_malformed_handle_is_refused_with_the_form(tmp_path: Path, handle: str) -> None:
    with pytest.raises(ModuleError, match=r"not a handle of this hub\. Its form is (kaggle|hf)://"):
        fetch_from_model_hub(handle, Cache(tmp_path))


@pytest.mark.parametrize(
    ("handle", "library", "extra"),
    [(_KAGGLE, "kagglehub", "kaggle"), ("hf://owner/repo", "huggingface_hub", "hf")],
)
def test_without_its_library_the_command_that_installs_it_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handle: str, library: str, extra: str
) -> None:
    monkeypatch.setattr(sys, "path", [str(_ROOT)])
    monkeypatch.delitem(sys.modules, library, raising=False)
    with pytest.raises(ModuleError) as refused:
        fetch_from_model_hub(handle, Cache(tmp_path))
    assert str(refused.value) == (
        f"{handle!r}: fetching it needs {library}, which is not installed. "
        f"Run: {install_command(extra)}"
    )


class TestKaggle:
    pytestmark = pytest.mark.usefixtures("_library")

    @pytest.fixture
    def _library(self) -> None:
        pytest.importorskip("kagglehub")

    def test_a_model_is_fetched_once(self, hub: _Hub, tmp_path: Path, digest: str) -> None:
        hub.files = {"1.tflite": echo(dtype=UINT8), "readme.md": b"text"}
        assert hub.open(_KAGGLE, tmp_path) == f"1.tflite {digest}"
        assert hub.requests[:2] == ["GetModelInstance", "ListModelInstanceVersionFiles"]
        hub.files.clear()
        hub.requests.clear()
        assert hub.open(_KAGGLE, tmp_path) == f"1.tflite {digest}"
        assert hub.requests == []

    def test_a_file_of_a_version_is_fetched_alone(
        self, hub: _Hub, tmp_path: Path, digest: str
    ) -> None:
        hub.files = {"lite/1.tflite": echo(dtype=UINT8)}
        assert hub.open(f"{_KAGGLE}/2/lite/1.tflite", tmp_path) == f"1.tflite {digest}"
        assert hub.requests == ["DownloadModelInstanceVersion"]

    def test_a_model_in_the_cache_of_the_library_needs_no_network(
        self, hub: _Hub, tmp_path: Path, digest: str
    ) -> None:
        version = tmp_path / "kagglehub/models/owner/model/tfLite/variation/2"
        version.mkdir(parents=True)
        (version / "1.tflite").write_bytes(echo(dtype=UINT8))
        version.with_name("2.complete").touch()
        found = hub.open(f"{_KAGGLE}/2", tmp_path, KAGGLEHUB_CACHE=str(tmp_path / "kagglehub"))
        assert found == f"1.tflite {digest}"
        assert hub.requests == []

    def test_a_model_that_does_not_exist_is_refused(self, hub: _Hub, tmp_path: Path) -> None:
        found = hub.open(f"{_KAGGLE}/2/1.tflite", tmp_path)
        assert found.startswith(
            f"ModuleError: '{_KAGGLE}/2/1.tflite': kagglehub cannot fetch it (404 Client Error."
        )
        assert found.endswith("If the model needs an account, set KAGGLE_API_TOKEN.")


class TestHuggingFace:
    pytestmark = pytest.mark.usefixtures("_library")

    @pytest.fixture
    def _library(self) -> None:
        pytest.importorskip("huggingface_hub")

    def test_a_model_is_fetched_once_and_without_its_other_files(
        self, hub: _Hub, tmp_path: Path, digest: str
    ) -> None:
        hub.files = {"model.tflite": echo(dtype=UINT8), "weights.safetensors": bytes(9)}
        assert hub.open("hf://owner/repo", tmp_path) == f"model.tflite {digest}"
        assert hub.requests == ["main", "model.tflite"]
        hub.files.clear()
        assert hub.open("hf://owner/repo", tmp_path) == f"model.tflite {digest}"
        assert hub.requests == ["main", "model.tflite"]

    def test_a_file_of_a_commit_is_fetched_alone(
        self, hub: _Hub, tmp_path: Path, digest: str
    ) -> None:
        hub.files = {"a/1.tflite": echo(dtype=UINT8), "a/2.tflite": b"other"}
        handle = f"hf://owner/repo@{_COMMIT}/a/1.tflite"
        assert hub.open(handle, tmp_path) == f"1.tflite {digest}"
        assert hub.requests == ["a/1.tflite"]

    def test_a_saved_model_is_fetched_as_a_folder(self, hub: _Hub, tmp_path: Path) -> None:
        hub.files = {
            "tf/saved_model.pb": b"graph",
            "tf/assets.extra/module.tflite": echo(dtype=UINT8),
            "tf/variables/variables.index": b"index",
            "other/saved_model.pb": b"another",
        }
        found = hub.open("hf://owner/repo/tf", tmp_path)
        assert found.startswith("module.tflite sha256:")
        assert sorted(hub.requests[1:]) == [
            "tf/assets.extra/module.tflite",
            "tf/saved_model.pb",
            "tf/variables/variables.index",
        ]

    def test_one_of_several_modules_must_be_named(self, hub: _Hub, tmp_path: Path) -> None:
        hub.files = {"a.tflite": b"a", "b/c.tflite": b"c"}
        assert hub.open("hf://owner/repo", tmp_path) == (
            "ModuleError: 'hf://owner/repo': holds several modules (a.tflite, b/c.tflite). "
            "Name one, for example hf://owner/repo/a.tflite"
        )

    def test_a_repository_without_a_module_is_refused(self, hub: _Hub, tmp_path: Path) -> None:
        hub.files = {"variables/x": b"x", "weights.safetensors": b"x"}
        assert hub.open("hf://owner/repo", tmp_path) == (
            "ModuleError: 'hf://owner/repo': there is no saved_model.pb and no .tflite or .tar.gz "
            "or .tgz file. Give a model in the format of TensorFlow Hub or LiteRT."
        )

    def test_a_module_is_pinned_at_the_first_use_of_its_handle(
        self, hub: _Hub, tmp_path: Path, digest: str
    ) -> None:
        hub.files = {"model.tflite": echo(dtype=UINT8)}
        hub.open("hf://owner/repo", tmp_path)
        [copy] = (tmp_path / "cache/imagebeam").rglob("model.tflite")
        copy.write_bytes(b"damaged, so it is fetched again")
        other = tmp_path / "other.tflite"
        other.write_bytes(echo())
        hub.files = {"model.tflite": echo()}
        # The library has no copy either.
        again = {"HF_HOME": str(tmp_path / "elsewhere")}
        found = hub.open("hf://owner/repo", tmp_path, **again)
        new = digest_of_file(other)
        assert found == (
            f"ModuleError: 'hf://owner/repo': its digest is {new}, not {digest} as at its first "
            "use. Use the module that was pinned. If you know why it changed, pin the new digest: "
            f"append @{new} to the handle."
        )
        assert hub.open(f"hf://owner/repo@{new}", tmp_path, **again) == f"model.tflite {new}"
        assert hub.open("hf://owner/repo", tmp_path, **again) == f"model.tflite {new}"

    def test_without_network_the_reason_is_stated(self, hub: _Hub, tmp_path: Path) -> None:
        found = hub.open("hf://owner/repo", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
        assert found.startswith("ModuleError: 'hf://owner/repo': huggingface_hub cannot fetch it (")
        assert found.endswith("If the model needs an account, set HF_TOKEN.")
