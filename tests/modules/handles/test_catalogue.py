import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagebeam.mobilenet_v1 import Architecture
from imagebeam.modules.engines import load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.catalogue import (
    CatalogueEntry,
    catalogue,
    checkpoint_of,
    entry_of_hub_url,
    fetch_published,
    is_cached,
)
from imagebeam.modules.handles.download import download
from imagebeam.modules.handles.handle import resolve
from imagebeam.modules.open_module import open_module
from imagebeam.storage import Settings, StoreError
from tests.modules.flatbuffers import UINT8, echo
from tests.modules.handles.publisher import Publisher, archive, serving

_ROOT = Path(__file__).parents[3]
_NAME = "mobilenet_v1_050_160"
_PATH = "/mobilenet_v1_2018_08_02/mobilenet_v1_0.5_160_quant.tgz"
_FLATBUFFER = "mobilenet_v1_0.5_160_quant.tflite"
_HUB = "https://tfhub.dev/google/imagenet/mobilenet_v1_050_160/quantops"
_IMPATIENT = Settings(attempts=1, allow_private_hosts=True, honour_opt_outs=False)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    with serving() as server:
        monkeypatch.setenv("IMAGEBEAM_CATALOGUE", server.address)
        yield server


def _published(publisher: Publisher, **files: bytes) -> CatalogueEntry:
    """Publish an archive in place of the real one; the entry has its digest."""
    content = archive({_FLATBUFFER: echo(dtype=UINT8), **files})
    publisher.files[_PATH] = content
    return replace(catalogue()[_NAME], archive_sha256=_sha256(content), flatbuffer_sha256="")


def test_it_lists_the_family_with_the_figures_of_its_architecture() -> None:
    entries = list(catalogue().values())
    assert len(entries) == 16
    for entry in entries:
        architecture = Architecture(float(entry.width), entry.size)
        assert (entry.parameters, entry.macs) == (architecture.parameters, architecture.macs)
        assert len(entry.archive_sha256) == 64
        assert 39 < entry.top_1 < entry.top_5 < 90
    assert entries[5].name == _NAME
    assert f"/{entries[5].archive}" == _PATH


def test_a_module_is_fetched_once(publisher: Publisher, cache: Cache) -> None:
    entry = _published(publisher)
    arrived: list[tuple[int, int | None]] = []
    assert not is_cached(entry, cache)
    path = fetch_published(entry, cache, lambda done, total: arrived.append((done, total)))
    assert path.read_bytes() == echo(dtype=UINT8)
    size = len(publisher.files.pop(_PATH))
    assert arrived[-1] == (size, size)
    assert is_cached(entry, cache)
    assert fetch_published(entry, cache) == path
    assert list(cache.directory("downloads").iterdir()) == []


def test_the_checkpoint_is_kept_and_the_rest_is_not(publisher: Publisher, cache: Cache) -> None:
    entry = _published(publisher, **{"a.ckpt.index": b"i", "a.ckpt.data-0": b"d", "a.pb": b"x"})
    path = fetch_published(entry, cache)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "a.ckpt.data-0",
        "a.ckpt.index",
        _FLATBUFFER,
    ]
    assert checkpoint_of(entry, cache) == path.with_name("a.ckpt")


@pytest.mark.parametrize("content", [archive({_FLATBUFFER: b"another"}), b"<html>Sign in</html>"])
def test_an_archive_with_another_digest_is_refused(
    publisher: Publisher, cache: Cache, content: bytes
) -> None:
    entry = replace(_published(publisher), flatbuffer_sha256="0" * 64)
    expected = entry.archive_sha256
    publisher.files[_PATH] = content
    found = _sha256(publisher.files[_PATH])
    with pytest.raises(ModuleError, match=f"sha256:{found}, not sha256:{expected} as published"):
        fetch_published(entry, cache)
    assert list(cache.directory("downloads").iterdir()) == []
    assert not is_cached(entry, cache)


def test_another_archive_of_the_published_flatbuffer_is_accepted(
    publisher: Publisher, cache: Cache
) -> None:
    _published(publisher, **{"a.ckpt.index": b"unknown"})
    entry = replace(catalogue()[_NAME], flatbuffer_sha256=_sha256(echo(dtype=UINT8)))
    path = fetch_published(entry, cache)
    # The other files of this archive have no known digest.
    assert [each.name for each in path.parent.iterdir()] == [_FLATBUFFER]
    assert checkpoint_of(entry, cache) is None


def test_an_archive_without_the_flatbuffer_is_refused(publisher: Publisher, cache: Cache) -> None:
    content = publisher.files[_PATH] = archive({"readme.txt": b"moved"})
    entry = replace(catalogue()[_NAME], archive_sha256=_sha256(content))
    with pytest.raises(ModuleError, match=f"its archive holds no {_FLATBUFFER}"):
        fetch_published(entry, cache)
    assert not is_cached(entry, cache)


def test_an_interrupted_download_is_continued(publisher: Publisher, tmp_path: Path) -> None:
    content = publisher.files["/file"] = np.random.default_rng(0).bytes(3 << 20)
    publisher.breaks_after = 2 << 20
    with pytest.raises(StoreError):
        download(f"{publisher.address}/file", tmp_path / "file", settings=_IMPATIENT)
    assert not (tmp_path / "file").exists()
    [partial] = tmp_path.iterdir()
    arrived = partial.stat().st_size
    assert arrived == 1 << 20
    publisher.breaks_after = None
    publisher.ranges.clear()
    download(f"{publisher.address}/file", tmp_path / "file", settings=_IMPATIENT)
    assert (tmp_path / "file").read_bytes() == content
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    first, *later = publisher.ranges
    assert (first, later[0]) == ("bytes=0-0", f"bytes={arrived}-{2 * arrived - 1}")


@pytest.mark.parametrize("plant", ["link", "hard link", "pipe"])
def test_a_planted_file_in_place_of_the_partial_one_is_not_written(
    publisher: Publisher, tmp_path: Path, plant: str
) -> None:
    content = publisher.files["/file"] = bytes(3 << 20)
    publisher.breaks_after = 2 << 20
    folder = tmp_path / "downloads"
    folder.mkdir()
    with pytest.raises(StoreError):
        download(f"{publisher.address}/file", folder / "file", settings=_IMPATIENT)
    publisher.breaks_after = None
    [partial] = folder.iterdir()
    partial.unlink()
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    match plant:
        case "link":
            partial.symlink_to(victim)
        case "hard link":
            partial.hardlink_to(victim)
        case _:
            os.mkfifo(partial)
    download(f"{publisher.address}/file", folder / "file", settings=_IMPATIENT)
    assert victim.read_bytes() == b"precious"
    assert (folder / "file").read_bytes() == content
    assert not (folder / "file").is_symlink()
    assert list(folder.iterdir()) == [folder / "file"]


def test_a_changed_file_is_not_continued(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/file"] = bytes(3 << 20)
    publisher.breaks_after = 2 << 20
    with pytest.raises(StoreError):
        download(f"{publisher.address}/file", tmp_path / "file", settings=_IMPATIENT)
    publisher.breaks_after = None
    publisher.files["/file"] = b"\1" * (3 << 20)
    download(f"{publisher.address}/file", tmp_path / "file", settings=_IMPATIENT)
    assert (tmp_path / "file").read_bytes() == b"\1" * (3 << 20)


def test_a_full_disk_is_reported_with_the_size(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/file"] = bytes(1000)

    def full(done: int, total: int | None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ModuleError, match=r"No space left on device for 1,000 bytes\. Free disk"):
        download(f"{publisher.address}/file", tmp_path / "file", full, _IMPATIENT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "/nowhere", "ftp://host"])
def test_without_network_three_alternatives_are_named(
    base: str, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEBEAM_CATALOGUE", base)
    with pytest.raises(ModuleError, match=f"cannot be fetched from {base} ") as refused:
        fetch_published(catalogue()[_NAME], cache)
    for way in (f"imagebeam module get {_NAME}", "--module FILE", "--module demo"):
        assert way in str(refused.value)


def test_a_password_in_the_address_of_a_mirror_is_not_shown(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEBEAM_CATALOGUE", "http://user:secret@127.0.0.1:9/")
    with pytest.raises(ModuleError, match=r"from http://127\.0\.0\.1:9 ") as refused:
        fetch_published(catalogue()[_NAME], cache)
    assert "secret" not in str(refused.value)


def test_a_mirror_can_be_a_folder(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({_FLATBUFFER: echo(dtype=UINT8)})
    file = tmp_path / _PATH.removeprefix("/")
    file.parent.mkdir()
    file.write_bytes(content)
    monkeypatch.setenv("IMAGEBEAM_CATALOGUE", str(tmp_path))
    entry = replace(catalogue()[_NAME], archive_sha256=_sha256(content))
    assert fetch_published(entry, cache).read_bytes() == echo(dtype=UINT8)


def test_a_read_only_cache_serves_what_it_holds(publisher: Publisher, tmp_path: Path) -> None:
    entry = _published(publisher)
    path = fetch_published(entry, Cache(tmp_path / "cache"))
    publisher.files.clear()
    folders = [folder for folder in (tmp_path / "cache").rglob("*") if folder.is_dir()]
    for folder in (tmp_path / "cache", *folders):
        folder.chmod(0o500)
    try:
        assert fetch_published(entry, Cache(tmp_path / "cache")) == path
    finally:
        for folder in (tmp_path / "cache", *folders):
            folder.chmod(0o700)


_FETCH = """
import sys
from dataclasses import replace
from pathlib import Path
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.catalogue import catalogue, fetch_published
entry = replace(catalogue()[sys.argv[1]], archive_sha256=sys.argv[2])
print(fetch_published(entry, Cache(Path(sys.argv[3]))))
"""


def test_two_concurrent_processes_fetch_once(publisher: Publisher, tmp_path: Path) -> None:
    entry = _published(publisher)
    arguments = [_NAME, entry.archive_sha256, str(tmp_path / "cache")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _FETCH, *arguments], cwd=_ROOT, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1] != b""
    assert len([each for each in publisher.ranges if each.startswith("bytes=0-")]) <= 2


@pytest.mark.parametrize("kind", ["classification", "feature_vector"])
def test_addresses_on_tfhub_name_their_module(kind: str) -> None:
    assert entry_of_hub_url(f"{_HUB}/{kind}/1") == catalogue()[_NAME]
    for other in (f"{_HUB}/{kind}/2", f"{_HUB}/other/1", f"{_HUB}/{kind}/1/x"):
        assert entry_of_hub_url(other) is None


def test_an_unknown_name_suggests_similar_ones(cache: Cache) -> None:
    with pytest.raises(ModuleError, match="Did you mean mobilenet_v1_050_160 or"):
        resolve("mobilenet_v1_50_160", cache)


def test_the_small_module_is_found_by_its_name(cache: Cache) -> None:
    assert (resolve("demo", cache).path / "assets.extra" / "module.tflite").is_file()


@pytest.fixture
def real(publisher: Publisher, reference: Path) -> Publisher:
    content = (reference / _FLATBUFFER).read_bytes()
    publisher.files[_PATH] = archive({_FLATBUFFER: content})
    return publisher


def test_the_published_module_gives_labels_logits_and_features(
    real: Publisher, reference: Path, tmp_path: Path
) -> None:
    module = open_module(_NAME, cache=tmp_path / "cache")
    assert real.ranges
    assert module.info.heads == {"logits", "scores", "features"}
    assert module.digest == f"sha256:{catalogue()[_NAME].flatbuffer_sha256}"
    assert module.info.network == catalogue()[_NAME].network
    golden = np.load(reference / "golden.npz")
    outputs = load_engine(module.engine, module.path, module.info).run(golden["pixels"])
    assert outputs.logits is not None
    np.testing.assert_array_equal(outputs.logits.argmax(axis=1), golden["logits"].argmax(axis=1))


def test_its_tfhub_address_uses_the_catalogue_with_a_notice(
    real: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    open_module(_NAME, cache=tmp_path / "cache")
    module = open_module(f"{_HUB}/classification/1", cache=tmp_path / "cache")
    assert module.handle == f"{_HUB}/classification/1"
    [note] = module.notes
    assert note.startswith("the module does not come from tfhub.dev (")
    assert f"It is {_NAME} of the catalogue" in note


def test_a_pin_is_checked_for_names(real: Publisher, tmp_path: Path) -> None:
    pin = f"sha256:{catalogue()[_NAME].flatbuffer_sha256}"
    assert open_module(f"{_NAME}@{pin}", cache=tmp_path / "cache").digest == pin
    with pytest.raises(ModuleError, match="not sha256:0000"):
        open_module(f"{_NAME}@sha256:{'0' * 64}", cache=tmp_path / "cache")
