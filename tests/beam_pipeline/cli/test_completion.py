"""Test completion in real shells on a terminal."""

import os
import pty
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beam_pipeline.jobs import COMMAND, ROOT

_SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}
_LOAD = {
    "bash": 'eval "$(cat _imagebeam)"',
    "zsh": "fpath=($PWD $fpath); autoload -Uz compinit && compinit -D -u",
}
# The program that runs a completed line.
_STAND_IN = 'imagebeam() { printf "<%s>" "$@"; echo " end"; }'


@pytest.mark.slow
@pytest.mark.parametrize("shell", _SHELLS)
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("lab\t", "<label>"),
        ("mod\tsh\t--en\tlit\t", "<module><show><--engine><litert>"),
        ("ver\tmy-la\t", "<verify><my-labels>"),
        ("label ph\t--resi\tstr\t", "<label><photos.txt><--resize><stretch>"),
        ("label --retry-failed trunc\t", "<label><--retry-failed><truncated>"),
    ],
)
def test_the_shell_completes_a_command_line(
    shell: str, typed: str, words: str, tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}; run `make tools`")
    script = subprocess.run(
        [*COMMAND, "completion", shell], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    (tmp_path / "_imagebeam").write_bytes(script)
    (tmp_path / "my-labels").mkdir()
    (tmp_path / "photos.txt").touch()
    with _terminal(_SHELLS[shell], tmp_path) as terminal:
        _type(terminal, f"{_LOAD[shell]}; {_STAND_IN}; echo rea''dy\n", "ready")
        shown = _type(terminal, f"imagebeam {typed}\n", " end")
    # zsh removes the slash of a folder when the line ends.
    assert shown.partition(" end")[0].rpartition("\n")[2].replace("/>", ">") == words


@contextmanager
def _terminal(command: tuple[str, ...], folder: Path) -> Iterator[int]:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ |= {"TERM": "dumb", "PS1": "$ ", "HOME": str(folder)}
        os.execvp(command[0], command)
    try:
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def _type(terminal: int, line: str, until: str) -> str:
    """Type a line; return the text that the terminal shows from there up to a word."""
    os.write(terminal, line.encode())
    shown = ""
    while until not in shown.replace(_STAND_IN, ""):
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, f"{until!r} does not come after {shown!r}"
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown.replace("\r", "")
