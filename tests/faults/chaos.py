"""Disturb many commands at random moments, repeat each, and compare rows with an undisturbed run.

`python -m tests.faults.chaos --kills 30 --seed 1` prints a table in Markdown and ends with 1 if a
row was lost, doubled or changed. The same seed makes the same choices; the moments depend on the
speed of the machine too.
"""

import argparse
import io
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from imagebeam.images.errors import CODES
from imagebeam.outputs.verify import verify
from imagebeam.storage import AnyPath
from tests.beam_pipeline.jobs import ROOT
from tests.engines.tools import processes_below, workers_below
from tests.faults.chaos_places import KINDS, PRISM, Kind, Place, Places, possible_kinds, small_disk
from tests.faults.forked import Fate, Forked
from tests.faults.jobs import Job

_SIGNALS = {
    "SIGKILL": signal.SIGKILL,
    "SIGTERM": signal.SIGTERM,
    "Ctrl-C": signal.SIGINT,
    "SIGKILL to all": signal.SIGKILL,
}
_ENDS = {0, 1, 2, 3, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGXFSZ}
_COUNTS = ("jobs", "hit", "completed anyway", "rows lost", "doubled", "changed", "other")

Rows = Counter[tuple[str, str]]


class Campaign:
    """Disturbs jobs and counts what is wrong after each is repeated.

    Attributes:
        counts: by kind and name of the column.
    """

    def __init__(self, folder: Path, seed: int, stack: ExitStack) -> None:
        self._folder = folder
        self._seed = seed
        self._places = Places(folder, seed, stack)
        self._measured: dict[str, _Measured] = {}
        self._starting = {kind.place: threading.Lock() for kind in KINDS}
        self._lock = threading.Lock()
        self.counts: dict[Kind, Counter[str]] = {}

    def disturb(self, number: int, kind: Kind) -> None:
        """Disturb one command, repeat it and count what is seen."""
        seen = Counter({"jobs": 1})
        try:
            with self._starting[kind.place]:
                if kind.place not in self._measured:
                    place = self._places.start(kind.place)
                    self._measured[kind.place] = _Measured(place, self._folder)
            measured = self._measured[kind.place]
            choose = random.Random(f"{self._seed} {number}")
            with nullcontext() if kind.place == "DirectRunner" else measured.place.alone:
                seen += _Disturbance(number, kind, measured, choose).run()
        # One that breaks the campaign is a result too.
        except Exception as error:
            seen["other"] += 1
            print(f"{number}, {kind}: {error!r}", file=sys.stderr)
        with self._lock:
            self.counts.setdefault(kind, Counter()).update(seen)


@dataclass
class _Undisturbed:
    """The result of a command that is not disturbed.

    Attributes:
        seconds: that it takes.
        steps: that it takes, see `Fate`.
        sizes: of the files that it writes.
        made: the files that it makes beside the output.
    """

    seconds: float
    steps: int
    sizes: list[int]
    made: dict[str, bytes]


class _Measured:
    """A place, and what undisturbed commands do there."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        # The images too: a step may be one of the listing.
        self.watched = folder
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._commands: dict[str, _Undisturbed] = {}
        self.clean = place.root / "clean" / "out"
        self.label = self._measure("label", self.clean)
        self.rows = rows_in(self.clean)

    def undisturbed(self, command: str) -> _Undisturbed:
        """Run a command once without disturbing it."""
        if command == "label":
            return self.label
        with self._lock:
            if command not in self._commands:
                output = self.place.root / f"clean {command}" / "out"
                self.prepare(output)
                self._commands[command] = self._measure(command, output)
        return self._commands[command]

    def prepare(self, output: AnyPath) -> None:
        """Make an output on which other commands than `label` work."""
        if isinstance(output, Path) and isinstance(self.clean, Path):
            shutil.copytree(self.clean, output)

    def arguments(
        self, command: str, output: AnyPath, shards: int, again: bool
    ) -> tuple[object, ...]:
        """Return a command line."""
        name, *options = command.split()
        match command:
            case "label" | "label --retry-failed":
                runner = self.place.options_again if again else self.place.options
                codes = (*options, *CODES) if options else ()
                module = ("--module", "demo", "--quiet", "--images-per-shard", shards)
                return (name, *self.place.inputs, "--output", output, *module, *runner, *codes)
            case "export --to":
                return (name, output, "--to", f"{output}.csv", "--overwrite")
            case "export --folders":
                return (name, output, "--folders", f"{output}.folders")
            case "export --xmp":
                return (name, output, "--xmp", "--xmp-folder", f"{output}.xmp")
        return (name, output)

    def _measure(self, command: str, output: AnyPath) -> _Undisturbed:
        log = self.logs / f"{os.urandom(8).hex()}.log"
        made = output.parent if isinstance(output, Path) else Path("/nowhere")
        before = _sizes(made)
        arguments = self.arguments(command, output, 3, again=False)
        fate = Fate(self.watched)
        job = _cold_job(arguments) if self.place.is_cold else Forked(arguments, log, fate)
        start = time.monotonic()
        code, stderr = job.finish()
        if code != 0:
            raise RuntimeError(f"the undisturbed {command} ends with {code}: {stderr}")
        seconds = time.monotonic() - start
        steps = job.steps if isinstance(job, Forked) else 0
        sizes = [size for path, size in _sizes(made).items() if size and before.get(path) != size]
        return _Undisturbed(seconds, steps, sizes, made_beside(output))


@dataclass
class _Disturbance:
    """One command that is disturbed, then repeated."""

    number: int
    kind: Kind
    measured: _Measured
    choose: random.Random
    seen: Counter[str] = field(default_factory=Counter)

    def run(self) -> Counter[str]:
        """Return what is seen, by the name of the column."""
        place, kind = self.measured.place, self.kind
        output = place.root / f"{self.number:05}" / "out"
        usual = self.measured.undisturbed(kind.command)
        with ExitStack() as stack:
            if isinstance(output, Path):
                output.parent.mkdir()
                stack.callback(shutil.rmtree, output.parent, ignore_errors=True)
                if kind.how == "full disk":
                    stack.enter_context(small_disk(output.parent))
            if kind.command != "label":
                self.measured.prepare(output)
            if kind.how == "full disk" and isinstance(output, Path):
                _fill(output.parent, self.choose.randrange(200_000))
            arguments = self.measured.arguments(
                kind.command, output, self.choose.randrange(1, 6), again=False
            )
            served = place.faults.served if place.faults else 0
            if place.faults and kind.how == "store faults":
                stack.callback(setattr, place.faults, "share", 0)
                place.faults.share = self.choose.uniform(0.05, 0.5)
            fate = self._fate(usual)
            start = time.monotonic()
            job = _cold_job(arguments) if place.is_cold else Forked(arguments, self._log(1), fate)
            hit, family = self._strike(job, usual.seconds)
            code, stderr = job.finish()
            if fate is not None or kind.how == "full disk":
                hit = code != 0
            if not hit:
                # The machine does less other work than before: later moments come earlier.
                usual.seconds = min(usual.seconds, time.monotonic() - start)
            if place.faults:
                place.faults.share = 0
                hit = hit or place.faults.served > served
            self.seen["hit"] += hit
            self.seen["completed anyway"] += hit and code == 0
            if (code not in _ENDS or "Traceback" in stderr) and not never_began(code, stderr):
                self._report(f"ended with {code}", stderr)
            _, alive = psutil.wait_procs(family, timeout=60)
            if alive:
                self._report(f"left {alive}", stderr)
            (output.parent / "filler").unlink(missing_ok=True)
            self._repeat(output)
            self._compare(output, usual)
        return self.seen

    def _fate(self, usual: _Undisturbed) -> Fate | None:
        match self.kind.how:
            case "SIGKILL at a step":
                return Fate(self.measured.watched, self.choose.randint(1, usual.steps))
            case "SIGKILL within a write" | "quota":
                size = self.choose.randrange(self.choose.choice(usual.sizes))
                return Fate(file_bytes=size, is_fatal=self.kind.how != "quota")
        return None

    def _strike(self, job: Job | Forked, seconds: float) -> tuple[bool, list[psutil.Process]]:
        """Send a signal at a random moment; return whether it arrived, and what ran then."""
        how, flink = self.kind.how, self.measured.place.flink
        if how not in (*_SIGNALS, "decoding process", "worker", "engine", "task manager"):
            return False, []
        # Other processes than the driver live from about the middle of a job to its end.
        delay = self.choose.uniform(0, seconds * (1.1 if how in _SIGNALS else 0.6))
        found: list[psutil.Process] = []

        def has_target() -> bool:
            found[:] = self._targets(job)
            return bool(found)

        job.wait_until(has_target)
        moment = time.monotonic() + delay
        job.wait_until(lambda: time.monotonic() > moment)
        found[:] = self._targets(job)
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            family = job.children()
            if how in ("Ctrl-C", "SIGKILL to all"):
                os.killpg(job.pid, _SIGNALS[how])
            elif found:
                self.choose.choice(found).send_signal(_SIGNALS.get(how, signal.SIGKILL))
                # As a cluster does: the job goes on when it has all its slots again.
                if flink is not None and how == "task manager":
                    flink.start_task_manager()
            return bool(found), family
        return False, []

    def _targets(self, job: Job | Forked) -> list[psutil.Process]:
        """Return the processes that may be hit."""
        flink = self.measured.place.flink
        with suppress(psutil.NoSuchProcess):
            driver = psutil.Process(job.pid)
            match self.kind.how:
                case "worker":
                    return flink.workers() if flink else workers_below(driver)
                case "task manager":
                    return [flink.task_managers[-1]] if flink else []
                case "decoding process":
                    return processes_below(driver, "decoding_child")
                case "engine":
                    return processes_below(driver, str(PRISM))
            return [driver] if driver.status() != psutil.STATUS_ZOMBIE else []
        return []

    def _repeat(self, output: AnyPath) -> None:
        command = self.kind.command
        # The folder appears when it is complete, and is then left alone.
        if command == "export --folders" and (output.parent / "out.folders").exists():
            return
        # Rows of images that a server refused are errors until they are tried again.
        if self.kind.how == "store faults" and (output / "job" / "identity.json").exists():
            command = "label --retry-failed"
        shards = self.choose.randrange(1, 20)
        arguments = self.measured.arguments(command, output, shards, again=True)
        code, stderr = Forked(arguments, self._log(2)).finish()
        if code != 0 or "Traceback" in stderr:
            self._report(f"repeated with exit code {code}", stderr)

    def _compare(self, output: AnyPath, usual: _Undisturbed) -> None:
        clean, found = self.measured.rows, rows_in(output)
        for name, count in zip(_COUNTS[3:6], differences(clean, found), strict=True):
            self.seen[name] += count
        if found != clean:
            self._report(f"missing {clean - found}, extra {found - clean}", "")
            self.seen["other"] -= 1
        for problem in verify(output):
            self._report(problem, "")
        if self.kind.command != "label --retry-failed" and isinstance(output, Path):
            if self.kind.command == "report":
                page = (output / "report.html").read_text()
                made = page.endswith("</html>")
            else:
                made = made_beside(output) == usual.made
            if not made:
                self._report("other files are made", "")
            for left in [*output.parent.rglob("*.tmp"), *output.parent.rglob("*.partial")]:
                self._report(f"{left} is left", "")

    def _log(self, turn: int) -> Path:
        return self.measured.logs / f"{self.number:05}-{turn}.log"

    def _report(self, problem: str, stderr: str) -> None:
        self.seen["other"] += 1
        print(f"{self.number}, {self.kind}: {problem}\n{stderr}", file=sys.stderr)


def rows_in(output: AnyPath) -> Rows:
    """Read all rows of an output, with pyarrow alone."""
    files = [
        path
        for folder in (output / "predictions", output / "errors")
        for path in folder.iterdir()
        if not path.name.startswith(".")
    ]
    return rows_of(
        [row for path in files for row in pq.read_table(io.BytesIO(path.read_bytes())).to_pylist()]
    )


def made_beside(output: AnyPath) -> dict[str, bytes]:
    """Return the content of the files that a command made beside an output."""
    if not isinstance(output, Path):
        return {}
    return {
        str(path.relative_to(output.parent)): path.read_bytes()
        for path in output.parent.rglob("*")
        if path.is_file() and output not in path.parents
    }


def _sizes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def rows_of(rows: list[dict[str, Any]]) -> Rows:
    """Return the number of occurrences of each row, with its URI."""
    return Counter((row["uri"], repr(sorted(row.items()))) for row in rows)


def differences(clean: Rows, found: Rows) -> tuple[int, int, int]:
    """Count the rows that are lost, doubled and changed, by their URIs."""
    uris = Counter(uri for uri, _ in found.elements())
    lost = len({uri for uri, _ in clean} - uris.keys())
    doubled = sum(count - 1 for count in uris.values())
    return lost, doubled, (found - clean).total() - doubled


def _cold_job(arguments: tuple[object, ...]) -> Job:
    # Without the plugin of other tests, which imports Pillow before the command begins.
    return Job(*arguments[1:], plugin=ROOT)


def never_began(code: int, stderr: str) -> bool:
    """Whether Ctrl-C came while Python itself started, before this package could handle it."""
    began = "imagebeam: " in stderr or re.search(r"__main__\.py., line \d+, in main\n", stderr)
    # Python ends with 1 while it imports its own modules, and by the signal after that.
    ended = "KeyboardInterrupt\n" in stderr if code == 1 else code == -signal.SIGINT
    return ended and not began


def _fill(disk: Path, left: int) -> None:
    """Fill a disk except for some bytes."""
    state = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - left)))


def run(
    kills: int,
    seed: int,
    seconds: float,
    folder: Path,
    kinds: Sequence[Kind],
    lanes: int = 2,
    show: Path | None = None,
) -> dict[Kind, Counter[str]]:
    """Disturb `kills` commands.

    Args:
        kills: how many, over all kinds by their weights.
        seed: of all choices.
        seconds: begin no command after these.
        folder: for everything that is written.
        kinds: of disturbances.
        lanes: commands at the same time.
        show: file that always holds the table so far.

    Returns:
        what was seen of each kind, by the names of the columns.
    """
    end = time.monotonic() + seconds
    total = sum(kind.weight for kind in kinds)
    order = [kind for kind in kinds for _ in range(max(1, round(kills * kind.weight / total)))]
    random.Random(seed).shuffle(order)
    with ExitStack() as stack:
        campaign = Campaign(folder, seed, stack)

        def disturb(number: int) -> None:
            if time.monotonic() < end:
                campaign.disturb(number, order[number])
                if show is not None:
                    show.write_text(table(campaign.counts))

        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(disturb, range(len(order))))
        return campaign.counts


def failures(counts: Counter[str]) -> int:
    """Return the number of everything that must not happen."""
    return sum(counts[name] for name in _COUNTS[3:])


def table(counts: dict[Kind, Counter[str]]) -> str:
    """Return the counts as a table in Markdown."""
    lines = [f"| command | where | disturbance | {' | '.join(_COUNTS)} |", "|---" * 10 + "|"]
    rows = [
        (f"`{kind.command}` | {kind.place} | {kind.how}", counts[kind])
        for kind in KINDS
        if kind in counts
    ]
    rows.append(("all | | ", sum((each for _, each in rows), Counter())))
    for name, each in rows:
        lines.append(f"| {name} | {' | '.join(str(each[column]) for column in _COUNTS)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the command line."""
    # A shell ignores Ctrl-C for what it starts in the background, and so would all commands.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="commands to disturb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=86_400.0, help="begin no more after these")
    parser.add_argument("--lanes", type=int, default=2, help="commands at the same time")
    parser.add_argument("--table", type=Path, help="file that always holds the table so far")
    parser.add_argument("--without", default="", metavar="PLACE", help="a place to leave out")
    parser.add_argument("only", nargs="*", help="words that the kinds must contain")
    args = parser.parse_args()
    kinds = [
        kind
        for kind in possible_kinds()
        if kind.place != args.without and all(word in str(kind) for word in args.only)
    ]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        counts = run(
            args.kills, args.seed, args.seconds, Path(folder), kinds, args.lanes, args.table
        )
    print(table(counts))
    return int(any(map(failures, counts.values())))


if __name__ == "__main__":
    sys.exit(main())
