import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache

_ROOT = Path(__file__).parents[3]

# Makes the entry "kind/key": prints a line, waits for a given time, and leaves one file.
_MAKER = """
import sys, time
from pathlib import Path
from imagebeam.modules.handles.cache import Cache

def make(directory):
    (directory / "half").write_text("")
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    time.sleep(float(sys.argv[3]))
    (directory / "half").rename(directory / "whole")

Cache(Path(sys.argv[1])).entry("kind", "key", make)
"""


def _start(cache: Path, log: Path, seconds: float) -> subprocess.Popen[bytes]:
    arguments = [str(cache), str(log), str(seconds)]
    return subprocess.Popen([sys.executable, "-c", _MAKER, *arguments], cwd=_ROOT)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _fill(directory: Path) -> None:
    (directory / "file").write_text("content")


def _refuse(directory: Path) -> None:
    raise AssertionError(f"made again in {directory}")


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    made = Cache(tmp_path / "cache").entry("kind", "key", _fill)
    found = Cache(tmp_path / "cache").entry("kind", "key", _refuse)
    assert (found, (found / "file").read_text()) == (made, "content")


def test_the_cache_is_private(tmp_path: Path) -> None:
    Cache(tmp_path / "cache").entry("kind", "key", _fill)
    modes = [(tmp_path / "cache" / each).stat().st_mode & 0o777 for each in ("", "kind")]
    assert modes == [0o700, 0o700]


def test_xdg_cache_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().directory("kind") == tmp_path / "imagebeam" / "kind"


def test_without_xdg_cache_home_the_home_directory_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache().directory("kind") == tmp_path / ".cache" / "imagebeam" / "kind"


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path / "cache")
    entry = cache.entry("kind", "key", _fill)
    match damage:
        case "changed":
            (entry / "file").write_text("Content")
        case "missing":
            (entry / "file").unlink()
        case "added":
            (entry / "other").write_text("")
    assert cache.entry("kind", "key", _fill) == entry
    assert [(file.name, file.read_text()) for file in entry.iterdir()] == [("file", "content")]


def test_a_failed_entry_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        _fill(directory)
        raise ModuleError("no")

    cache = Cache(tmp_path / "cache")
    with pytest.raises(ModuleError, match="no"):
        cache.entry("kind", "key", fail)
    assert [each.name for each in cache.directory("kind").iterdir()] == ["key.lock"]


def test_two_concurrent_processes_make_an_entry_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    makers = [_start(tmp_path / "cache", log, 0.5) for _ in range(2)]
    assert [maker.wait() for maker in makers] == [0, 0]
    assert log.read_text() == "made\n"


def test_a_killed_process_leaves_no_lock_and_no_half_entry(tmp_path: Path) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    killed = _start(cache, log, 600)
    _wait_for(log)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    entry = Cache(cache).entry("kind", "key", _fill, lock_seconds=30)
    assert (entry / "file").read_text() == "content"
    assert sorted(each.name for each in (cache / "kind").iterdir()) == ["key", "key.lock"]


def test_waiting_for_another_process_has_a_limit(tmp_path: Path) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    maker = _start(cache, log, 600)
    try:
        _wait_for(log)
        with pytest.raises(ModuleError, match=r"more than 0\.2 s"):
            Cache(cache).entry("kind", "key", _fill, lock_seconds=0.2)
    finally:
        maker.kill()
        maker.wait()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_cache_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(ModuleError, match="other users may write to it"):
        Cache(tmp_path / "cache").entry("kind", "key", _fill)


def test_a_cache_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = Path("/usr")
    if os.geteuid() == 0:
        directory = tmp_path / "cache"
        directory.mkdir(0o700)
        os.chown(directory, 12345, -1)
    with pytest.raises(ModuleError, match="belongs to another user"):
        Cache(directory).entry("kind", "key", _fill)


def test_a_cache_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModuleError, match=r"Not a directory\. Set XDG_CACHE_HOME"):
        Cache(tmp_path / "file" / "cache").entry("kind", "key", _fill)
