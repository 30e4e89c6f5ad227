import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from imagebeam import child_process


def _run(target: str, *arguments: object, cwd: Path | None = None) -> str:
    return subprocess.run(
        child_process.command(target, *arguments),
        env=child_process.environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_function_gets_its_arguments_as_strings() -> None:
    assert _run("builtins:print", "a b", 7) == "a b 7\n"


def test_the_child_imports_what_this_process_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "extra.py").write_text(
        "def main():\n    import imagebeam; print(imagebeam.__file__)"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert _run("extra:main") == f"{sys.modules['imagebeam'].__file__}\n"


def test_modules_in_the_current_folder_do_not_shadow_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "transforms.py", "imagebeam.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert _run("json:dumps", "text", cwd=tmp_path) == ""


def test_a_package_found_in_the_current_folder_is_found_by_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = Path(child_process.__file__).parents[1]
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", ["", *(path for path in sys.path if path != str(root))])
    assert str(root) in child_process.environment()["PYTHONPATH"].split(":")


def test_a_removed_current_folder_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (removed := tmp_path / "removed").mkdir()
    monkeypatch.chdir(removed)
    removed.rmdir()
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert _run("builtins:print", "a") == "a\n"


def test_any_program_ends_with_the_process_that_starts_it() -> None:
    starter = (
        "import subprocess, sys\n"
        "from imagebeam.child_process import ended_with_parent\n"
        "print(subprocess.Popen(ended_with_parent(['sleep', '3600'])).pid, flush=True)\n"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starter],
        env=child_process.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    while child.name() != "sleep":
        time.sleep(0.01)
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()
