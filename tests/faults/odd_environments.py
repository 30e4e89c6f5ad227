"""Every command with odd variables, limits, rights and signals of the process that starts it.

`python -m tests.faults.odd_environments` runs every command in each of them.
"""

import argparse
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from imagebeam.samples import MODULE
from tests.beam_pipeline.every_command import WORDS, Paths, label_some
from tests.beam_pipeline.jobs import COMMAND, ROOT
from tests.faults.forked import without_root_rights
from tests.faults.odd_options import Outcome, left_of

_PATIENCE = 300
"""Seconds after which a command is considered to hang."""


def _limit(kind: int, count: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (count, count))


def _ignore(number: signal.Signals) -> Callable[[], object]:
    return lambda: signal.signal(number, signal.SIG_IGN)


def _in_removed_folder() -> None:
    os.chdir(folder := tempfile.mkdtemp(dir="."))
    os.rmdir(f"../{Path(folder).name}")


def _in_closed_folder() -> None:
    os.chdir(folder := tempfile.mkdtemp(dir="."))
    os.chmod(f"../{Path(folder).name}", 0)


class Environment(NamedTuple):
    """An odd way to start a process.

    Attributes:
        variables: that are set; None removes one. `{here}` is a folder with a file `file` and a
            folder `fixed` that may not be changed.
        prepare: runs in the new process before the command.
        may_refuse: whether the command may say that it cannot work there.
    """

    variables: Mapping[str, str | None] = {}
    prepare: Callable[[], object] = lambda: None
    may_refuse: bool = False


def _variables(**values: str | None) -> Environment:
    return Environment(values)


_LOCALES: Mapping[str, str | None] = {
    "LANG": None,
    "LC_ALL": None,
    "LC_CTYPE": None,
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}

USUAL = "as usual"

ENVIRONMENTS: Mapping[str, Environment] = {
    USUAL: Environment(),
    "no home": _variables(HOME=None),
    "empty home": _variables(HOME=""),
    "missing home": _variables(HOME="{here}/missing"),
    "home is a file": Environment({"HOME": "{here}/file"}, may_refuse=True),
    "home may not be changed": Environment({"HOME": "{here}/fixed"}, may_refuse=True),
    "relative home": _variables(HOME="."),
    "cache is a file": Environment({"XDG_CACHE_HOME": "{here}/file"}, may_refuse=True),
    "relative cache": _variables(XDG_CACHE_HOME="cache"),
    "no locale": Environment(_LOCALES),
    "locale C": Environment({**_LOCALES, "LC_ALL": "C"}),
    "locale POSIX": Environment({**_LOCALES, "LANG": "POSIX"}),
    "Turkish": _variables(LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8"),
    "unknown locale": _variables(LC_ALL="xx_YY.nonsense"),
    "ASCII streams": _variables(PYTHONIOENCODING="ascii"),
    "Latin 1 streams": _variables(PYTHONIOENCODING="latin-1:strict"),
    "no folder for temporary files": _variables(TMPDIR="{here}/missing"),
    "empty folder for temporary files": _variables(TMPDIR=""),
    "folder for temporary files is a file": _variables(TMPDIR="{here}/file"),
    "folder for temporary files may not be changed": _variables(TMPDIR="{here}/fixed"),
    "relative folder for temporary files": _variables(TMPDIR="."),
    "no terminal": _variables(TERM=None),
    "dumb terminal": _variables(TERM="dumb"),
    "unknown terminal": _variables(TERM="\u00e9\x1b[2J", COLORTERM="x"),
    "no columns": _variables(COLUMNS="0", LINES="0"),
    "one column": _variables(COLUMNS="1", LINES="1"),
    "negative columns": _variables(COLUMNS="-7", LINES="-7"),
    "many columns": _variables(COLUMNS="99999999999", LINES="99999999999"),
    "columns are a word": _variables(COLUMNS="many", LINES=""),
    "no colour": _variables(NO_COLOR="1"),
    "forced colour": _variables(FORCE_COLOR="1", TTY_COMPATIBLE="1", TTY_INTERACTIVE="1"),
    "warnings are errors": _variables(PYTHONWARNINGS="error"),
    "all warnings": _variables(PYTHONWARNINGS="always"),
    "development mode": _variables(PYTHONDEVMODE="1"),
    "optimised": _variables(PYTHONOPTIMIZE="2"),
    "no bytecode": _variables(PYTHONDONTWRITEBYTECODE="1"),
    "bytecode elsewhere": _variables(PYTHONPYCACHEPREFIX="{here}/fixed/x"),
    "fixed hashes": _variables(PYTHONHASHSEED="0"),
    "safe path": _variables(PYTHONSAFEPATH="1"),
    "unbuffered": _variables(PYTHONUNBUFFERED="1"),
    "no user packages": _variables(PYTHONNOUSERSITE="1", PYTHONUSERBASE="{here}/file"),
    "checked memory": _variables(PYTHONMALLOC="debug", MALLOC_PERTURB_="165"),
    "no path": _variables(PATH=None),
    "path of nothing": _variables(PATH="{here}/missing"),
    "proxy of nonsense": _variables(
        http_proxy="::nonsense", https_proxy="::nonsense", HTTPS_PROXY="", no_proxy=",*,"
    ),
    "proxy that refuses": _variables(
        http_proxy="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1", no_proxy="\u00e9"
    ),
    "missing Google credentials": _variables(GOOGLE_APPLICATION_CREDENTIALS="{here}/missing"),
    "damaged Google credentials": _variables(
        GOOGLE_APPLICATION_CREDENTIALS="{here}/file", GOOGLE_CLOUD_PROJECT="", CLOUDSDK_CONFIG="x"
    ),
    "unknown AWS profile": _variables(
        AWS_PROFILE="unknown", AWS_CONFIG_FILE="{here}/file", AWS_REGION="\u00e9"
    ),
    "odd stores": _variables(STORAGE_EMULATOR_HOST="::", AWS_ENDPOINT_URL_S3="::"),
    "unknown time zone": _variables(TZ="Nowhere/At all"),
    "odd time zone": _variables(TZ="XXX-167:59:59", SOURCE_DATE_EPOCH="-1"),
    "empty module": _variables(IMAGEBEAM_MODULE=""),
    "unknown module": _variables(IMAGEBEAM_MODULE="nonsense\n"),
    "catalogue of nonsense": _variables(IMAGEBEAM_CATALOGUE="foo://[bar"),
    "seconds of nonsense": _variables(IMAGEBEAM_TENSORFLOW_SECONDS="nan"),
    "raise is set": _variables(IMAGEBEAM_RAISE=""),
    "threads of nonsense": _variables(
        OPENBLAS_NUM_THREADS="-1", OMP_NUM_THREADS="many", TF_NUM_INTRAOP_THREADS="x"
    ),
    "certificates of nonsense": _variables(SSL_CERT_FILE="{here}/file", SSL_CERT_DIR="x"),
    "no variables": Environment(dict.fromkeys(os.environ)),
    "variable that is not UTF-8": _variables(ODD=os.fsdecode(b"\xff\xfe"), PS1="\x1b[2J"),
    "large variable": _variables(ODD="x" * 100_000),
    "removed current folder": Environment(prepare=_in_removed_folder),
    "closed current folder": Environment(prepare=_in_closed_folder),
    "new files are closed": Environment(prepare=lambda: os.umask(0o777), may_refuse=True),
    "new files are open": Environment(prepare=lambda: os.umask(0)),
    "64 open files": Environment(prepare=_limit(resource.RLIMIT_NOFILE, 64), may_refuse=True),
    "16 open files": Environment(prepare=_limit(resource.RLIMIT_NOFILE, 16), may_refuse=True),
    "files of 10 kB": Environment(prepare=_limit(resource.RLIMIT_FSIZE, 10_000), may_refuse=True),
    "no bytes in files": Environment(prepare=_limit(resource.RLIMIT_FSIZE, 0), may_refuse=True),
    "address space of 2 GB": Environment(
        prepare=_limit(resource.RLIMIT_AS, 2_000_000_000), may_refuse=True
    ),
    "address space of 600 MB": Environment(
        prepare=_limit(resource.RLIMIT_AS, 600_000_000), may_refuse=True
    ),
    "no more processes": Environment(prepare=_limit(resource.RLIMIT_NPROC, 1), may_refuse=True),
    "small stack": Environment(prepare=_limit(resource.RLIMIT_STACK, 1 << 18)),
    "large stack": Environment(prepare=_limit(resource.RLIMIT_STACK, 1 << 30)),
    "nothing locked": Environment(prepare=_limit(resource.RLIMIT_MEMLOCK, 0)),
    "nice": Environment(prepare=lambda: os.nice(19)),
    "Ctrl-C is ignored": Environment(prepare=_ignore(signal.SIGINT)),
    "ends of children are ignored": Environment(prepare=_ignore(signal.SIGCHLD)),
    "SIGTERM and SIGHUP are ignored": Environment(
        prepare=lambda: [_ignore(each)() for each in (signal.SIGTERM, signal.SIGHUP)]
    ),
    "signals are blocked": Environment(
        prepare=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ),
    "default SIGPIPE": Environment(prepare=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL)),
    "closed standard input": Environment(prepare=lambda: os.close(0)),
}


class Case(NamedTuple):
    """A command in an environment."""

    command: str
    environment: str


def attempt(base: Path, case: Case, folder: Path) -> Outcome:
    """Run a command, and find out how it ends.

    Args:
        base: the folder that `label_some` filled.
        case: the command and its environment.
        folder: a folder that does not exist.
    """
    (new := folder / "new").mkdir(parents=True)
    (folder / "tmp").mkdir()
    (folder / "file").write_text("nonsense")
    (folder / "fixed").mkdir(0o500)
    shutil.copytree(base / "out", folder / "out")
    words = WORDS[case.command](Paths(base / "in", base / "true.csv", folder / "out", new))
    odd = ENVIRONMENTS[case.environment]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder / "tmp"),
        "IMAGEBEAM_MODULE": str(MODULE),
    }
    for name, value in odd.variables.items():
        if value is None:
            # Only this variable makes Python find the package in a checkout.
            if name != "PYTHONPATH":
                variables.pop(name, None)
        else:
            variables[name] = value.replace("{here}", str(folder))

    def prepare() -> None:
        # A shell ignores Ctrl-C for what it starts in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        without_root_rights()
        odd.prepare()

    process = subprocess.Popen(
        [*COMMAND, *case.command.split(), *map(str, words)],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # No file, because the size of files may be limited.
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
        start_new_session=True,
    )
    try:
        _, stderr = process.communicate(timeout=_PATIENCE)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        code, stderr = None, b""
    left = left_of(process.pid)
    process.wait()
    text = stderr.decode(errors="replace")
    in_tmp = tuple(f"tmp/{each.name}" for each in (folder / "tmp").iterdir())
    return Outcome(code, text, in_tmp, left)


def fault_of(case: Case, outcome: Outcome, usual: int | None) -> str:
    """Return what a command must not do in an environment; empty if it did no such thing."""
    if ENVIRONMENTS[case.environment].may_refuse and outcome.code in (2, 3):
        # An engine may be said to have broken by the same cause.
        outcome = outcome._replace(code=2)
    elif outcome.code != usual:
        return f"exit code {outcome.code} instead of {usual}: {outcome.stderr}"
    return outcome.fault


def cases() -> Iterator[Case]:
    """Yield all cases, in an order that does not change."""
    for environment, command in itertools.product(ENVIRONMENTS, WORDS):
        yield Case(command, environment)


def sample(count: int | None, seed: int, only: str = "") -> list[Case]:
    """Return all cases, or this many of them, which a seed chooses."""
    every = [case for case in cases() if only in str(case)]
    return every if count is None else random.Random(seed).sample(every, count)


def main() -> None:
    """Try all cases or some; print the faults and how often each exit code came."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, help="number of cases (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="chooses them")
    parser.add_argument("--only", default="", help="part of the case to try")
    args = parser.parse_args()
    codes: Counter[int | None] = Counter()
    usual: dict[str, int | None] = {}
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        (base := Path(name) / "base").mkdir()
        label_some(base)
        for case in sample(args.count, args.seed, args.only):
            for each in (Case(case.command, USUAL), case):
                if each.environment == USUAL and case.command in usual:
                    continue
                outcome = attempt(base, each, folder := Path(name) / "case")
                shutil.rmtree(folder)
                codes[outcome.code] += 1
                usual.setdefault(case.command, outcome.code)
                if fault := fault_of(each, outcome, usual[case.command]):
                    faults += 1
                    print(f"{each.command}, {each.environment}: {fault!a}"[:1800], flush=True)
                if codes.total() % 10 == 0:
                    print(codes.total(), case, flush=True)
    print(f"{codes.total():,} commands, {faults} faults; exit codes: {dict(codes)}")


if __name__ == "__main__":
    main()
