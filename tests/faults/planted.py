"""Something else in place of each file of an output, and every command that reads an output.

`python -m tests.faults.planted` tries all of them and prints how often each exit code came.
"""

import os
import resource
import shutil
import socket
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

from imagebeam.errors import ImagebeamError
from imagebeam.outputs.layout import Layout
from tests.beam_pipeline.jobs import archive, imagebeam
from tests.faults.forked import SERVER, without_root_rights
from tests.outputs.outputs import below
from tests.report.test_server import get, served

_MEMORY = 4_000_000_000
_HUGE = 8_000_000_000
_SECONDS = 300
"""After this time, a command is considered to hang."""

_FOLDERS = ("predictions", "errors", "job", "report.files")
_PART = f"part-{'0' * 32}"


class Outputs(NamedTuple):
    """The input and the outputs that every command gets.

    Attributes:
        images: the input.
        complete: an output of some of these images.
        stopped: the same, of a job that was stopped.
    """

    images: Path
    complete: Path
    stopped: Path


def make_outputs(folder: Path) -> Outputs:
    """Label some images, and run commands that leave files in the output."""
    images, complete, stopped = folder / "in", folder / "complete", folder / "stopped"
    archive(images, 5)
    (images / "a.jpg").touch()
    label = ("label", images, "-o", complete, "-m", "demo", "--images-per-shard", 2)
    assert imagebeam(*label, "--limit", 4) == 0
    assert imagebeam("export", complete, "--xmp", "--xmp-folder", folder / "xmp") == 0
    assert imagebeam("report", complete, "--no-thumbnails") == 0
    (complete / "report.files").mkdir()
    (complete / "report.files" / f"{'a' * 32}.html").touch()
    (complete / "job" / "listing-1.json").write_text('{"images": 4}')
    shutil.copytree(complete, stopped)
    (stopped / "summary.json").unlink()
    return Outputs(images, complete, stopped)


def _names(output: Path) -> Iterator[str]:
    """Yield the names that a job or a command reads or writes in an output."""
    layout = Layout(output)
    for path in (
        *(layout.predictions, layout.errors, layout.job, layout.summary, layout.identity),
        *(layout.plan, layout.run, layout.compaction, layout.lease, layout.stdin, layout.log),
        *(layout.sidecars, layout.report, layout.report_files),
    ):
        yield str(Path(str(path)).relative_to(output))
    for pattern in ("job/module-*", "job/listing-*", "predictions/part-*", "errors/part-*"):
        yield str(min(output.glob(pattern)).relative_to(output))
    yield f"predictions/{_PART}.parquet"
    yield f"errors/{_PART}.parquet"


def _write(content: bytes) -> Callable[[Path, Path], object]:
    return lambda path, outside: path.write_bytes(content)


def _link(path: Path, outside: Path) -> None:
    """Replace a file by a link to a copy of it elsewhere."""
    path.symlink_to(outside)


def _folder(path: Path, outside: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def _huge(path: Path, outside: Path) -> None:
    with path.open("wb") as file:
        file.truncate(_HUGE)


def _socket(path: Path, outside: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        before = os.getcwd()
        # The path of a socket must be short.
        os.chdir(path.parent)
        end.bind(path.name)
        os.chdir(before)


def _unreadable(path: Path, outside: Path) -> None:
    shutil.move(outside, path)
    path.chmod(0)


PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "pipe": lambda path, outside: os.mkfifo(path),
    "socket": _socket,
    "device": lambda path, outside: path.symlink_to("/dev/zero"),
    "folder": _folder,
    "link to another place": _link,
    "link to nothing": lambda path, outside: path.symlink_to(outside.with_name("nothing")),
    "link to itself": lambda path, outside: path.symlink_to(path),
    "nothing in it": _write(b""),
    "odd JSON": _write(b"[]"),
    "JSON of other types": _write(b'{"format": [], "rows": "7", "target": 1, "id": {}}'),
    "binary": _write(b"PAR1\xff\xfe\x00PAR1"),
    "huge": _huge,
    "unreadable": _unreadable,
}
"""Functions that replace a file; each takes its path and the path of a copy elsewhere."""


def _serve(words: tuple[object, ...]) -> int:
    """Serve the page, and read it and its rows."""
    try:
        with served(Path(str(words[0]))) as server:
            answers = [get(server, name).status for name in ("", "pictures", "failures")]
            return 0 if answers == [200] * len(answers) else -1
    except (ImagebeamError, OSError) as error:
        # The command line shows both as messages.
        print(f"imagebeam: error: {error}", file=sys.stderr)
        return 2


_COMMANDS: dict[str, Callable[[Path, Path, Outputs], tuple[object, ...]]] = {
    "status": lambda out, new, base: ("status", out),
    "status --json": lambda out, new, base: ("status", out, "--json"),
    "verify": lambda out, new, base: ("verify", out),
    "search": lambda out, new, base: ("search", out, "e"),
    "compare": lambda out, new, base: ("compare", out, base.complete),
    "compare --report": lambda out, new, base: (
        *("compare", base.complete, out, "--report", new / "page.html"),
    ),
    "export --to": lambda out, new, base: ("export", out, "--to", new / "a.csv", "--partial"),
    "export --xmp": lambda out, new, base: ("export", out, "--xmp", "--xmp-folder", new / "xmp"),
    "export --undo": lambda out, new, base: ("export", out, "--undo"),
    "export --folders": lambda out, new, base: ("export", out, "--folders", new / "sorted"),
    "report": lambda out, new, base: ("report", out, "--no-thumbnails"),
    "report --serve": lambda out, new, base: ("serve", out),
    "compact": lambda out, new, base: ("compact", out),
    "commit": lambda out, new, base: ("commit", out, "--delta", new / "table"),
    "label": lambda out, new, base: ("label", base.images, "-o", out, "-m", "demo"),
    "label --retry-failed": lambda out, new, base: (
        *("label", base.images, "-o", out, "-m", "demo", "--retry-failed"),
    ),
    "label --overwrite": lambda out, new, base: (
        *("label", base.images, "-o", out, "-m", "demo", "--overwrite"),
    ),
    "doctor": lambda out, new, base: ("doctor", "-o", out, "-m", "demo"),
}
COMMANDS = tuple(_COMMANDS)
"""The commands that read an output."""


class Case(NamedTuple):
    """A file of an output that is replaced.

    Attributes:
        name: of the file.
        plant: what replaces it.
    """

    name: str
    plant: str


class Outcome(NamedTuple):
    """The end of a command and its effects.

    Attributes:
        code: its exit code; None if it did not end.
        stderr: what it wrote there.
        changed: files outside of the output that it changed.
    """

    code: int | None
    stderr: str
    changed: tuple[str, ...]

    @property
    def fault(self) -> str:
        """Return what a command must not do; empty if it did no such thing."""
        if self.code not in (0, 1, 2, 3):
            return f"exit code {self.code}: {self.stderr}"
        if self.code > 1 and "imagebeam: error: " not in self.stderr:
            return f"exit code {self.code} without a message: {self.stderr}"
        for text in ("Traceback", "no memory was left", "MemoryError", "a defect of imagebeam"):
            if text in self.stderr:
                return self.stderr
        return f"changed {', '.join(self.changed)}" if self.changed else ""


def cases(outputs: Outputs) -> list[Case]:
    """Return all cases."""
    return [
        Case(name, plant)
        for name, plant in product(_names(outputs.complete), PLANTS)
        # A digest of a whole file takes long, and no memory.
        if not (plant == "huge" and "module-" in name)
    ]


def attempt(outputs: Outputs, case: Case, commands: tuple[str, ...], folder: Path) -> list[Outcome]:
    """Run commands in a process that may take little memory, each on a new copy of an output."""
    process = SERVER.Process(
        target=_run_all, args=(outputs, case, commands, folder, dict(os.environ))
    )
    process.start()
    process.join(_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    found = []
    for number in range(len(commands)):
        place = folder / str(number)
        code, stderr = place / "code", place / "stderr"
        changed = place / "changed"
        found.append(
            Outcome(
                int(code.read_text()) if code.exists() else None,
                stderr.read_text(errors="replace") if stderr.exists() else "",
                tuple(changed.read_text().splitlines()) if changed.exists() else (),
            )
        )
    return found


def _run_all(
    outputs: Outputs,
    case: Case,
    commands: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    without_root_rights()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for number, command in enumerate(commands):
        (place := folder / str(number)).mkdir()
        _run(outputs, case, command, place)


def _run(outputs: Outputs, case: Case, command: str, place: Path) -> None:
    """Run one command; note its exit code, its messages, and what it changed elsewhere."""
    is_of_stopped_job = case.name in ("job/plan.json", "job/run.json", "job/listing-1.json")
    shutil.copytree(outputs.stopped if is_of_stopped_job else outputs.complete, place / "out")
    path, outside = place / "out" / case.name, place / "outside" / "copy"
    outside.parent.mkdir()
    if path.exists():
        shutil.move(path, outside)
    else:
        outside.write_bytes(b"{}")
    PLANTS[case.plant](path, outside)
    before = below(outside.parent)
    (place / "new").mkdir()
    words = _COMMANDS[command](place / "out", place / "new", outputs)
    with _standard_error(place / "stderr"):
        try:
            code = _serve(words[1:]) if words[0] == "serve" else imagebeam(*words)
        except BaseException:
            traceback.print_exc()
            code = -1
    after = below(outside.parent)
    # Whoever made a folder a link wants its files to be in the other place.
    changed = (
        []
        if case.name in _FOLDERS
        else [name for name in {**before, **after} if before.get(name) != after.get(name)]
    )
    (place / "changed").write_text("\n".join(changed))
    (place / "code").write_text(str(code))


@contextmanager
def _standard_error(path: Path) -> Iterator[None]:
    """Write to a file what this process and its libraries write to standard error."""
    sys.stderr.flush()
    before = os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(file)
        os.close(before)


def main() -> None:
    """Try all, print the faults and how often each exit code came."""
    chosen = tuple(sys.argv[1:]) or COMMANDS
    codes: Counter[int | None] = Counter()
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        outputs = make_outputs(Path(name))
        for number, case in enumerate(cases(outputs)):
            (folder := Path(name) / f"case-{number}").mkdir()
            for command, outcome in zip(
                chosen, attempt(outputs, case, chosen, folder), strict=True
            ):
                codes[outcome.code] += 1
                if outcome.fault:
                    faults += 1
                    print(f"{case.plant} in {case.name}: {command}: {outcome.fault}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{codes.total():,} commands, {faults} faults; exit codes: {dict(codes)}")


if __name__ == "__main__":
    main()
