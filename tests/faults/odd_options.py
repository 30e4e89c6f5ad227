"""Odd values for every option and argument of every command, and every two options together.

The parsers state the options, so that new ones are tried too. `python -m tests.faults.odd_options`
tries all cases; `--share 0.01 --seed 3` tries a hundredth of them, chosen by the seed.
"""

import argparse
import io
import itertools
import os
import random
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from imagebeam.beam_pipeline.__main__ import main as run_command_line
from imagebeam.beam_pipeline.cli.command_parser import command_parser, parse
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
from imagebeam.errors import ImagebeamError
from imagebeam.samples import MODULE
from tests.beam_pipeline.every_command import WORDS, Paths, label_some
from tests.faults.forked import SERVER, without_root_rights
from tests.faults.odd_values import FOLDER, VALUES, make_odd_files

_MEMORY = 4_000_000_000
_PATIENCE = 300
"""Seconds after which a command is considered to hang."""

_FILE_SYSTEM = "Remove the cause, then run the same command again."
_SERVING = "Press Ctrl-C to stop."


FORMS: Mapping[str, tuple[str, Callable[[Paths], tuple[object, ...]]]] = {
    **{name: (name, words) for name, words in WORDS.items()},
    "report --serve": ("report", lambda at: (at.output, "--serve")),
    "status --watch": ("status", lambda at: (at.output, "--watch")),
    "export --xmp": (
        "export",
        lambda at: (at.output, "--xmp", "--xmp-folder", at.new / "xmp"),
    ),
    "export --folders": ("export", lambda at: (at.output, "--folders", at.new / "sorted")),
    "export --undo": ("export", lambda at: (at.output, "--undo")),
    "module build": (
        "module build",
        lambda at: ("--checkpoint", "x", "--output", at.new / "module"),
    ),
}
"""Commands, each with the arguments that it gets besides the odd ones."""


class Case(NamedTuple):
    """One command line.

    Attributes:
        form: one of `FORMS`.
        changed: the option or argument that is tried.
        oddity: its value, in words.
        extra: words that are added.
        place: number of the argument whose word `extra` replaces; None to add them at the end.
    """

    form: str
    changed: str
    oddity: str
    extra: tuple[str, ...]
    place: int | None = None


class Outcome(NamedTuple):
    """The end of a command and its effects.

    Attributes:
        code: its exit code; None if it did not end.
        stderr: what it wrote there.
        changed: files that it made, changed or removed elsewhere than in its output.
        left: processes that it left.
    """

    code: int | None
    stderr: str
    changed: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def fault(self) -> str:
        """Return what a command must not do; empty if it did no such thing."""
        if self.left:
            return f"left {', '.join(self.left)}"
        is_of_file_system = self.code == 3 and _FILE_SYSTEM in self.stderr
        if self.code not in (0, 1, 2) and not is_of_file_system:
            return f"exit code {self.code}: {self.stderr}"
        for text in ("Traceback", "Warning", "a defect of imagebeam", "MemoryError"):
            if text in self.stderr:
                return self.stderr
        if self.code == 2 and not _is_message(self.stderr):
            return f"no message of one line: {self.stderr}"
        if self.changed:
            return f"exit code {self.code}, changed {', '.join(self.changed)}: {self.stderr}"
        return ""


def _is_message(stderr: str) -> bool:
    """Return whether the last line is the only message and ends as a sentence does."""
    line = stderr.rstrip("\n").rpartition("\n")[2]
    is_one = stderr.count("imagebeam: error: ") == 1 and line.startswith("imagebeam: error: ")
    return (is_one and line[-1] in ".?") or '"exit_code": 2' in line


def cases() -> Iterator[Case]:
    """Yield all cases, in an order that does not change."""
    for form, (command, _) in FORMS.items():
        arguments = command_parser(command).arguments
        positions = [each for each in arguments if not each.option_strings]
        # --debug shows stack traces.
        options = [each for each in arguments if each.option_strings and each.dest != "debug"]
        for place, each in enumerate(positions):
            for oddity, value in VALUES.items():
                yield Case(form, str(each.metavar), oddity, (value,), place)
        for each in options:
            for oddity, extra in _odd_words(each):
                yield Case(form, each.option_strings[-1], oddity, extra)
        for one, other in itertools.combinations(options, 2):
            names = f"{one.option_strings[-1]} {other.option_strings[-1]}"
            yield Case(form, names, "together", (*_usual_words(one), *_usual_words(other)))


def _odd_words(option: argparse.Action) -> Iterator[tuple[str, tuple[str, ...]]]:
    name, usual = option.option_strings[-1], _usual_words(option)
    if option.nargs == 0:
        yield "with a value", (f"{name}=1",)
        yield "twice", (name, name)
        return
    yield "without a value", (name,)
    yield "misspelt", (f"{name[:-1]}=1",)
    for oddity, value in VALUES.items():
        if isinstance(option.nargs, int):
            yield oddity, (name, *[value] * option.nargs)
        elif option.nargs is not None:
            yield oddity, (name, value)
            yield f"{oddity}, twice", (name, value, value)
        elif name.startswith("--"):
            yield oddity, (f"{name}={value}",)
        else:
            yield oddity, (name, value)
    yield "twice", (*usual, *usual)
    yield "twice, first odd", (f"{name}={VALUES['unicode']}", *usual)


_USUAL = {
    "N": "2",
    "S": "2",
    "X": "0.5",
    "SHARE": "0.5",
    "SIZE": "1MB",
    "PIXELS": "160",
    "SCORE": "0.5",
    "LIMIT": "5",
    "LOW": "0",
    "MEAN": "127.5",
    "STD": "127.5",
    "CODE": "empty",
    "FILE": "odd/missing.csv",
    "SIDE|HEIGHTxWIDTH": "160",
    "COLUMN": "column",
    "DIR": "odd/new",
    "NAMES": "uri",
    "TEMPLATE": "{}.jpg",
    "GLOB": "*.png",
    "'[HOST] NAME: VALUE'": "A: b",
}


def _usual_words(option: argparse.Action) -> tuple[str, ...]:
    """Return words that make sense for an option."""
    name = option.option_strings[-1]
    if option.nargs == 0:
        return (name,)
    if option.choices:
        return (name, str(next(iter(option.choices))))
    if isinstance(option.metavar, tuple):
        return (name, "0", "255")
    if name in _USUAL_OF:
        return (name, _USUAL_OF[name])
    return (name, _USUAL.get(str(option.metavar), "usual"))


_USUAL_OF = {"--module": "demo", "--emit": "labels,logits", "--run-columns": "run_id"}


def refusal(case: Case, at: Paths) -> str:
    """Read the words of a case as its command does first; return why it refuses them, or ""."""
    try:
        args, beam_args = parse(_words(case, at))
        if case.form in ("label", "doctor"):
            args.beam_args, args.output = beam_args, args.output or "."
            LabelOptions.parse(args)
        elif hasattr(args, "module_output"):
            parsed_module_options(args)
    except SystemExit:
        # --help is among the options.
        return ""
    except ImagebeamError as error:
        return str(error)
    return ""


def attempt(base: Path, case: Case, folder: Path) -> Outcome:
    """Run a command in a process of its own, with few rights, and find what it changed.

    Args:
        base: the folder that `label_some` filled.
        case: the command line.
        folder: a folder that does not exist; the current folder of the command is in it.
    """
    here, streams = folder / "here", folder / "streams"
    for place in (here, streams, here / "new"):
        place.mkdir(parents=True)
    make_odd_files(here / FOLDER)
    shutil.copytree(base / "out", here / "out")
    words = _words(case, Paths(base / "in", base / "true.csv", here / "out", here / "new"))
    before = _state(base) | _state(here)
    process = SERVER.Process(target=_run, args=(words, here, streams, dict(os.environ)))
    process.start()
    if "--serve" in words:
        _stop_server(process.pid, streams / "stdout", process.is_alive)
    process.join(_PATIENCE)
    left = left_of(process.pid)
    if process.is_alive():
        process.kill()
        process.join()
        code = None
    else:
        code = process.exitcode
    after = _state(base) | _state(here)
    changed = _unexpected(before, after, case, code == 2, here)
    stderr = (streams / "stderr").read_text(errors="replace")
    return Outcome(code, stderr, tuple(changed), left)


def _words(case: Case, at: Paths) -> list[str]:
    command, words_of = FORMS[case.form]
    words = list(map(str, words_of(at)))
    if case.place is None:
        words += case.extra
    else:
        words[case.place : case.place + 1] = case.extra
    return [*command.split(), *words]


def _run(words: list[str], here: Path, streams: Path, environment: Mapping[str, str]) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    # A shell ignores Ctrl-C for what it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    without_root_rights()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(streams / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.chdir(here)
    sys.argv = ["imagebeam", *words]
    run_command_line()


def _stop_server(pid: int | None, stdout: Path, is_alive: Callable[[], bool]) -> None:
    """Press Ctrl-C once the server serves."""
    end = time.monotonic() + _PATIENCE
    while is_alive() and time.monotonic() < end:
        if stdout.exists() and _SERVING in stdout.read_text(errors="replace"):
            os.kill(pid or 0, signal.SIGINT)
            return
        time.sleep(0.01)


def left_of(session: int | None) -> tuple[str, ...]:
    """Return the processes of a session that do not end, and end them."""
    end = time.monotonic() + _PATIENCE
    while found := [each for each in psutil.process_iter() if _session(each) == session]:
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    left = []
    for each in found:
        with suppress(psutil.NoSuchProcess):
            left.append(" ".join(each.cmdline()))
            each.kill()
    return tuple(left)


def _session(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if process.status() != psutil.STATUS_ZOMBIE:
            return os.getsid(process.pid)
    return None


def _state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return kind, rights and content of everything below a folder, by name."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = b""
        if stat.S_ISREG(facts.st_mode) and os.access(path, os.R_OK):
            content = path.read_bytes()
        found[str(path)] = (facts.st_mode, facts.st_ino, content)
    return found


def _unexpected(
    before: Mapping[str, object], after: Mapping[str, object], case: Case, refused: bool, here: Path
) -> Iterator[str]:
    """Yield the files that differ although the command may not change them."""
    named = [os.path.join(here, value) for value in _outputs_of(case)]
    for name in {**before, **after}:
        # Replacing a file that an option names is what some options are for.
        is_output = name in named or f"{name}/".startswith((f"{here}/new/", f"{here}/out/"))
        if name not in before:
            is_output |= any(
                each.startswith(f"{name}/") or name.startswith(os.path.splitext(each)[0])
                for each in named
            )
        if before.get(name) != after.get(name) and (refused or not is_output):
            yield os.fsencode(name.removeprefix(f"{here}/")).decode(errors="replace")


def _outputs_of(case: Case) -> Iterator[str]:
    """Yield the paths that a case names as outputs; an empty one is none."""
    words = [part for word in case.extra for part in word.split("=", 1)]
    for option, value in itertools.pairwise(words):
        if option in _OUTPUTS and value:
            yield os.path.normpath(value)


_OUTPUTS = ("--output", "--to", "--folders", "--xmp-folder", "--delta", "--report", "--profile")


def main() -> None:
    """Try all cases or some of each form; print the faults and how often each exit code came.

    With --parse, only read the options, and print how many are refused.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--each", type=int, help="number of cases of each form (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="chooses them")
    parser.add_argument("--only", default="", help="part of the name of the forms to try")
    parser.add_argument("--parse", action="store_true", help="only read the options")
    args = parser.parse_args()
    os.environ["IMAGEBEAM_MODULE"] = str(MODULE)
    if args.parse:
        _parse(sample(args.each, args.seed, args.only))
        return
    codes: Counter[int | None] = Counter()
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        (base := Path(name) / "base").mkdir()
        label_some(base)
        for case in sample(args.each, args.seed, args.only):
            start = time.monotonic()
            outcome = attempt(base, case, folder := Path(name) / "case")
            shutil.rmtree(folder)
            codes[outcome.code] += 1
            seconds = time.monotonic() - start
            if seconds > 20:
                print(f"SLOW {seconds:.0f} s {case!a}"[:400], flush=True)
            if outcome.fault:
                faults += 1
                print(f"{case!a}"[:400] + f": {outcome.fault!a}"[:1500], flush=True)
            if codes.total() % 20 == 0:
                print(codes.total(), case.form, flush=True)
    print(f"{codes.total():,} commands, {faults} faults; exit codes: {dict(codes)}")


def _parse(chosen: list[Case]) -> None:
    with tempfile.TemporaryDirectory() as name, redirect_stdout(io.StringIO()):
        os.chdir(name)
        make_odd_files(Path(name, FOLDER))
        at = Paths(Path(name), *(Path(name, each) for each in ("true.csv", "out", "new")))
        refused = sum(bool(refusal(case, at)) for case in chosen)
        os.chdir("/")
    print(f"{len(chosen):,} command lines read, {refused:,} of them refused")


def sample(each: int | None, seed: int, only: str = "") -> list[Case]:
    """Return all cases, or some of each form, which a seed chooses."""
    chooser = random.Random(seed)
    chosen = []
    for form, group in itertools.groupby(cases(), lambda case: case.form):
        some = list(group)
        if each is not None:
            some = chooser.sample(some, min(each, len(some)))
        chosen += some if only in form else []
    return chosen


if __name__ == "__main__":
    main()
