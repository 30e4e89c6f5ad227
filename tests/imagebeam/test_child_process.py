import subprocess
import sys
from pathlib import Path

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
