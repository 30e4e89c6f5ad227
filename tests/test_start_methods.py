"""Test that nothing depends on how Python starts processes by default; Python 3.14 changed it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from imagebeam.samples import MODULE
from tests.beam_pipeline.jobs import archive

_ROOT = Path(__file__).parents[1]
_RUN = """
import multiprocessing, sys
multiprocessing.set_start_method(sys.argv[1])
from imagebeam.beam_pipeline.cli.main import run
sys.exit(run(sys.argv[2:]))
"""


def test_every_pool_names_how_its_processes_start() -> None:
    unnamed = []
    # Two of the folders are links, which Path.rglob does not follow everywhere.
    folders = [_ROOT / name for name in ("imagebeam", "beam_pipeline", "transforms")]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            named = {keyword.arg for keyword in node.keywords}
            if called.endswith("ProcessPoolExecutor") and "mp_context" not in named:
                unnamed.append(f"{path}:{node.lineno}")
            if called.startswith("multiprocessing.") and called != "multiprocessing.get_context":
                unnamed.append(f"{path}:{node.lineno}")
    assert unnamed == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_job_runs_whatever_the_default_is(tmp_path: Path, method: str) -> None:
    archive(tmp_path / "in", 4)
    words = ["label", tmp_path / "in", "--output", tmp_path / "out", "--module", MODULE]
    subprocess.run([sys.executable, "-c", _RUN, method, *map(str, words)], cwd=_ROOT, check=True)
    assert verify(tmp_path / "out") == []
