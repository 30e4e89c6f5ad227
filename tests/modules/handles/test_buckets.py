import tarfile
import uuid
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest_pins import verified_digest
from imagebeam.modules.handles.handle import resolve
from imagebeam.modules.open_module import open_module
from imagebeam.storage import store_for
from tests.modules.flatbuffers import echo

_FILES = {"saved_model.pb": b"graph", "variables/v.index": b"", "assets.extra/a b.txt": b"text"}


@pytest.fixture(params=["gcs_bucket", "s3_bucket"])
def base(request: pytest.FixtureRequest) -> str:
    return f"{request.getfixturevalue(request.param)}/{uuid.uuid4()}"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def _put(base: str, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        store_for(base).write(f"{base}/{name}", data)


def _found(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_directory_is_fetched(base: str, slash: str, cache: Cache) -> None:
    _put(f"{base}/module", _FILES | {"empty/": b""})
    _put(f"{base}/module2", {"saved_model.pb": b"another"})
    assert _found(resolve(f"{base}/module{slash}", cache).path) == _FILES


def test_an_archive_is_fetched_and_unpacked(base: str, tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "saved_model.pb", "saved_model.pb")
    _put(base, {"a.tar.gz": (tmp_path / "a.tar.gz").read_bytes()})
    assert _found(resolve(f"{base}/a.tar.gz", cache).path) == {"saved_model.pb": b"graph"}


def test_a_flatbuffer_is_fetched_and_opened(base: str, tmp_path: Path) -> None:
    _put(base, {"a.tflite": echo()})
    module = open_module(f"{base}/a.tflite", cache=tmp_path / "cache")
    assert (module.handle, module.engine) == (f"{base}/a.tflite", "litert")
    assert open_module(f"{base}/a.tflite@{module.digest}", cache=tmp_path / "cache") == module


def test_a_module_is_fetched_once_until_it_changes(base: str, cache: Cache) -> None:
    _put(base, _FILES)
    first = resolve(base, cache).path
    times = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    again = resolve(base, cache).path
    assert {path: path.stat().st_mtime_ns for path in again.rglob("*")} == times
    _put(base, {"saved_model.pb": b"changed"})
    assert _found(resolve(base, cache).path) == _FILES | {"saved_model.pb": b"changed"}


def test_a_pin_is_checked_and_differences_are_named(base: str, cache: Cache) -> None:
    _put(base, _FILES)
    pin = verified_digest(base, resolve(base, cache).path, None, cache)
    _put(base, {"saved_model.pb": b"changed"})
    with pytest.raises(ModuleError, match=rf"not {pin} as pinned .*saved_model\.pb"):
        verified_digest(base, resolve(base, cache).path, pin, cache)


def _refused(handle: str, cache: Cache) -> str:
    with pytest.raises(ModuleError) as caught:
        resolve(handle, cache)
    return str(caught.value)


def test_a_missing_module_is_refused(base: str, cache: Cache) -> None:
    assert _refused(f"{base}/module", cache) == (
        f"'{base}/module': there is no such module. Check the address."
    )
    assert _refused(f"{base}/a.tflite", cache) == (
        f"'{base}/a.tflite': cannot be fetched (there is no such object or no such bucket). "
        "Check the address and the permissions."
    )


def test_a_directory_without_a_graph_is_refused_before_download(base: str, cache: Cache) -> None:
    _put(base, {"photo.jpg": b"picture"})
    assert "not a module, it holds no saved_model.pb" in _refused(base, cache)


@pytest.mark.parametrize("name", ["../outside", "a//b", "./a", "a/../../b"])
def test_a_name_that_leaves_the_directory_is_refused(base: str, cache: Cache, name: str) -> None:
    _put(base, _FILES | {name: b"x"})
    assert f"{name!r} is not the name of a module's file" in _refused(base, cache)
