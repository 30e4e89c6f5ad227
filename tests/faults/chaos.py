"""Kill many jobs at random moments, resume each, and compare its rows with an undisturbed run.

`python -m tests.faults.chaos --kills 30 --seed 1` prints a table in Markdown and ends with 1 if a
row was lost, doubled or changed. The same seed makes the same choices; the moments depend on the
speed of the machine too.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from imagebeam.outputs.layout import OutputError
from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, predictions
from tests.engines.tools import TOOLS, workers_below
from tests.faults.jobs import Job
from tests.storage.web import Answer, Request, Site, raw, status, stored

_PICTURES, _RUBBISH = 36, 4
_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
_PRISM = TOOLS / "bin" / "prism"
_TO_DRIVER = ("SIGKILL", "SIGTERM", "Ctrl-C")
_STATUSES = (429, 500, 502, 503)


@dataclass(frozen=True)
class _Place:
    """A runner and the images that its jobs read.

    Attributes:
        inputs: the images, as the command line takes them.
        options: the runner.
        faults: sets the share of requests that fail; None where no server is involved.
    """

    inputs: tuple[object, ...]
    options: tuple[str, ...]
    faults: Callable[[float], None] | None = None

    def command(self, output: Path) -> tuple[object, ...]:
        return (*self.inputs, "--output", output, "--module", "demo", *self.options)


@dataclass
class Row:
    """The results of one kind of disturbance.

    Attributes:
        runs: how many jobs were started.
        hit: how many of them were disturbed: some end before.
        survived: how many of these completed in spite of it.
        lost: rows of the undisturbed run that are missing after resuming.
        doubled: rows that are there more than once.
        changed: rows that the undisturbed run does not have.
        problems: everything else that must not happen, in words.
    """

    kind: str
    runs: int = 0
    hit: int = 0
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    problems: int = 0

    @property
    def failures(self) -> int:
        return self.lost + self.doubled + self.changed + self.problems


class Campaign:
    """Disturbs jobs and counts what is wrong after each is resumed."""

    def __init__(self, folder: Path, place: _Place, name: str) -> None:
        """Run the job undisturbed once, for its rows and the time that it takes."""
        self._folder = folder / name
        self._place = place
        clean = self._folder / "clean"
        start = time.monotonic()
        code, stderr = Job(*place.command(clean)).finish()
        self._seconds = time.monotonic() - start
        if code != 0:
            raise RuntimeError(f"the undisturbed job ends with {code}: {stderr}")
        self._rows = _all_rows(clean)
        self._runs = 0

    def disturb(self, row: Row, how: str, choose: random.Random) -> None:
        """Disturb one job, resume it and add what is seen to the row."""
        self._runs += 1
        row.runs += 1
        output = self._folder / f"{self._runs:04}"
        shards = ("--images-per-shard", choose.randrange(1, 6))
        with ExitStack() as stack:
            if how == "full disk":
                output = stack.enter_context(_small_disk(output)) / "out"
            command = self._place.command(output)
            if self._place.faults and how == "store faults":
                self._place.faults(choose.uniform(0.05, 0.6))
            job = Job(*command, *shards)
            hit = True
            if how == "full disk":
                _fill(output.parent, choose.randrange(200_000))
            elif how != "store faults":
                moment = time.monotonic() + choose.uniform(0, 1.1 * self._seconds)
                job.wait_until(lambda: time.monotonic() > moment and bool(_targets(job, how)))
                hit = _strike(job, how, choose)
            code, stderr = job.finish()
            row.hit += hit
            # A signal may come when everything is written.
            row.survived += hit and (output / "summary.json").exists() and _is_sound(output)
            if "Traceback" in stderr:
                self._report(row, how, "a traceback", stderr)
            if self._place.faults:
                self._place.faults(0)
            (output.parent / "filler").unlink(missing_ok=True)
            again = ("--images-per-shard", choose.randrange(1, 20))
            # Rows of images that a server refused are errors until they are tried again.
            retry = ("--retry-failed",) if how == "store faults" and output.exists() else ()
            code, stderr = Job(*command, *again, *retry).finish()
            if code != 0:
                self._report(row, how, f"resumed with exit code {code}", stderr)
                return
            self._compare(row, how, output)

    def _compare(self, row: Row, how: str, output: Path) -> None:
        found = _all_rows(output)
        lost, doubled, changed = differences(self._rows, found)
        row.lost += lost
        row.doubled += doubled
        row.changed += changed
        if found != self._rows:
            print(f"missing {self._rows - found}, extra {found - self._rows}", file=sys.stderr)
        for problem in verify(output):
            self._report(row, how, problem, "")
        for left in [*output.rglob("*.tmp"), *output.rglob("*.partial")]:
            self._report(row, how, f"{left} is left", "")

    def _report(self, row: Row, how: str, problem: str, stderr: str) -> None:
        row.problems += 1
        print(f"{row.kind}, run {self._runs}, {how}: {problem}\n{stderr}", file=sys.stderr)


def _all_rows(output: Path) -> Counter[tuple[str, str]]:
    return rows_of([*predictions(output), *errors(output)])


def rows_of(rows: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Return the number of occurrences of each row, with its URI."""
    return Counter((row["uri"], repr(sorted(row.items()))) for row in rows)


def differences(
    clean: Counter[tuple[str, str]], found: Counter[tuple[str, str]]
) -> tuple[int, int, int]:
    """Count the rows that are lost, doubled and changed, by their URIs."""
    uris = Counter(uri for uri, _ in found.elements())
    lost = len({uri for uri, _ in clean} - uris.keys())
    doubled = sum(count - 1 for count in uris.values())
    return lost, doubled, (found - clean).total() - doubled


def _is_sound(output: Path) -> bool:
    try:
        return verify(output) == []
    except OutputError:
        return False


def _strike(job: Job, how: str, choose: random.Random) -> bool:
    """Send a signal to one process of a job; False if it has ended or has no such process."""
    if not (targets := _targets(job, how)):
        return False
    try:
        if how == "Ctrl-C":
            os.killpg(job.pid, signal.SIGINT)
        else:
            number = signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL
            choose.choice(targets).send_signal(number)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
    return True


def _targets(job: Job, how: str) -> list[psutil.Process]:
    """Return the processes of a job that a disturbance may hit."""
    with suppress(psutil.NoSuchProcess):
        driver = psutil.Process(job.pid)
        if how in _TO_DRIVER:
            return [driver] if driver.status() != psutil.STATUS_ZOMBIE else []
        if how == "worker":
            return workers_below(driver)
        word = "decoding_child" if how == "decoding process" else str(_PRISM)
        return [each for each in job.children() if word in _command(each)]
    return []


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _can_mount() -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        suppress(OSError, subprocess.SubprocessError),
        _small_disk(Path(folder) / "disk"),
    ):
        return True
    return False


def _fill(disk: Path, left: int) -> None:
    """Fill a disk except for some bytes; the job may take some at the same time."""
    state = os.statvfs(disk)
    with suppress(OSError), (disk / "filler").open("wb") as filler:
        filler.write(bytes(max(0, state.f_bavail * state.f_frsize - left)))


class _FaultySite:
    """A web server with images that fails a share of its requests, chosen by a seed."""

    def __init__(self, site: Site, images: Path, choose: random.Random) -> None:
        self._choose = choose
        self._share = 0.0
        self.urls = [
            site.add(f"/{path.name}", self._sometimes(stored(path.read_bytes())))
            for path in sorted(images.rglob("*.jpg"))
        ]

    def set_share(self, share: float) -> None:
        """Set the share of requests that fail."""
        self._share = share

    def _sometimes(self, sound: Answer) -> Answer:
        faults = [
            *(status(code) for code in _STATUSES),
            raw(b"", reset=True),
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc"),
            raw(b"no HTTP\r\n\r\n"),
            raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"),
        ]

        def answer(request: Request) -> None:
            fails = self._choose.random() < self._share
            (self._choose.choice(faults) if fails else sound)(request)

        return answer


_KINDS: dict[str, tuple[str, str]] = {
    "driver, DirectRunner": ("threads", "SIGKILL"),
    "SIGTERM to the driver, DirectRunner": ("threads", "SIGTERM"),
    "Ctrl-C, DirectRunner": ("threads", "Ctrl-C"),
    "decoding process, DirectRunner": ("threads", "decoding process"),
    "driver, DirectRunner with processes": ("processes", "SIGKILL"),
    "worker, DirectRunner with processes": ("processes", "worker"),
    "failing web server, DirectRunner": ("web", "store faults"),
    "full disk, DirectRunner": ("threads", "full disk"),
    "driver, Prism": ("prism", "SIGKILL"),
    "engine, Prism": ("prism", "prism"),
}


def run(kills: int, seed: int, seconds: float, folder: Path, kinds: list[str]) -> list[Row]:
    """Disturb `kills` jobs with alternating kinds of disturbance, for about `seconds` at most."""
    choose = random.Random(seed)
    images = folder / "images"
    archive(images, _PICTURES, rubbish=_RUBBISH)
    end = time.monotonic() + seconds
    rows = {kind: Row(kind) for kind in kinds}
    campaigns: dict[str, Campaign] = {}
    with ExitStack() as stack:
        site = stack.enter_context(Site().running())
        faulty = _FaultySite(site, images, random.Random(seed))
        manifest = folder / "urls.txt"
        manifest.write_text("\n".join(faulty.urls))
        web = ("--allow-private-hosts", "--read-attempts", "3")
        places = {
            "threads": _Place((images,), ()),
            "processes": _Place((images,), (*_PROCESSES, "--stall-seconds", "20")),
            "web": _Place((manifest,), web, faulty.set_share),
            "prism": _Place((images,), ("--runner=PrismRunner", f"--prism_location={_PRISM}")),
        }
        for number in range(kills):
            if time.monotonic() > end:
                break
            kind = kinds[number % len(kinds)]
            where, how = _KINDS[kind]
            if where not in campaigns:
                campaigns[where] = Campaign(folder, places[where], where)
            campaigns[where].disturb(rows[kind], how, choose)
    return list(rows.values())


def possible_kinds() -> list[str]:
    """Return the kinds of disturbance that this machine can make."""
    return [
        kind
        for kind, (where, how) in _KINDS.items()
        if (where != "prism" or _PRISM.exists()) and (how != "full disk" or _can_mount())
    ]


def table(rows: list[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| disturbed | jobs | hit | completed anyway | rows lost | doubled | changed | other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    counts = ("runs", "hit", "survived", "lost", "doubled", "changed", "problems")
    figures = [(row.kind, [getattr(row, name) for name in counts]) for row in rows]
    totals = [sum(column) for column in zip(*(each for _, each in figures), strict=True)]
    for kind, values in (*figures, ("all", totals)):
        lines.append(f"| {kind} | {' | '.join(map(str, values))} |")
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="jobs to disturb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=86_400.0, help="begin no job after these")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="; ".join(_KINDS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        kinds = args.kinds or possible_kinds()
        rows = run(args.kills, args.seed, args.seconds, Path(folder), kinds)
    print(table(rows))
    return int(any(row.failures for row in rows))


if __name__ == "__main__":
    sys.exit(main())
