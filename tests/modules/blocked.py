"""Run Python without TensorFlow, as after a base install, in a separate process."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]

# An import finds this in place of a package that is not installed.
_BLOCK = """
import sys

class _NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tensorflow_hub", "tf_keras", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, _NotInstalled())
"""


def run_without_tensorflow(code: str, *arguments: str) -> str:
    """Return the output of `code`, with `arguments` in `sys.argv[1:]`."""
    command = [sys.executable, "-c", _BLOCK + code, *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
