"""Where jobs are disturbed: runners, servers and stores, each started at its first job."""

import os
import random
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from imagebeam.storage import AnyPath, Location, registry, store_for
from tests.beam_pipeline.jobs import archive
from tests.engines.flink import Flink
from tests.engines.tools import TOOLS
from tests.storage import relay, servers, web

PRISM = TOOLS / "bin" / "prism"
_PICTURES, _RUBBISH = 12, 4
_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        command: that is disturbed.
        place: where it runs.
        how: it is disturbed.
        weight: its share of all jobs; a job that takes long has a small one.
    """

    command: str
    place: str
    how: str
    weight: float = 8


_STOPS = ("SIGKILL", "SIGTERM", "Ctrl-C", "SIGKILL to all")
_STEP, _WRITE, _QUOTA = "SIGKILL at a step", "SIGKILL within a write", "quota"
_WRITERS = ("compact", "export --to", "export --xmp", "report")

KINDS = (
    *(
        Kind("label", "DirectRunner", how, 12)
        for how in (*_STOPS, _STEP, "decoding process", "full disk")
    ),
    *(Kind("label --retry-failed", "DirectRunner", how) for how in ("SIGKILL", _STEP)),
    *(
        Kind(command, "DirectRunner", how)
        for command in _WRITERS
        for how in (_STEP, _WRITE, _QUOTA)
    ),
    Kind("export --folders", "DirectRunner", _STEP),
    *(Kind("label", "DirectRunner, from its start", how, 4) for how in _STOPS[:3]),
    Kind("label", "failing web server", "store faults"),
    *(
        Kind("label", place, how, 4)
        for place in ("S3", "GCS")
        for how in ("store faults", "SIGKILL")
    ),
    *(Kind("label", "DirectRunner, processes", how, 2) for how in ("SIGKILL", "worker")),
    *(Kind("label", "Prism", how, 2) for how in ("SIGKILL", "engine")),
    *(Kind("label", "Flink", how, 1) for how in ("SIGKILL", "worker", "task manager")),
)


def possible_kinds() -> list[Kind]:
    """Return the kinds that this machine can make."""
    needs = {"Prism": PRISM, "Flink": TOOLS / "flink", "GCS": TOOLS / "bin" / "fake-gcs-server"}
    return [
        kind
        for kind in KINDS
        if needs.get(kind.place, TOOLS).exists() and (kind.how != "full disk" or _can_mount())
    ]


class Faults:
    """Decides which requests to a server fail.

    Attributes:
        share: of the requests that fail.
        served: how many have failed.
    """

    def __init__(self, seed: int) -> None:
        self._choose = random.Random(seed)
        self.share = 0.0
        self.served = 0

    def answer(self, faults: tuple[web.Answer, ...], sound: web.Answer) -> web.Answer:
        """Return an answer that is one of the faults now and then."""
        return lambda request: (self._one_of(faults) or sound)(request)

    def fault(self, exchange: relay.Exchange) -> None:
        """Relay a request to a bucket, or let it fail."""
        is_object = exchange.method == "GET" and not {"list-type", "prefix"} & {*exchange.query}
        faults = (*_STORE_FAULTS, *(_BODY_FAULTS if is_object else ()))
        (self._one_of(faults) or relay.honest)(exchange)

    def _one_of(self, faults: tuple[Callable[..., None], ...]) -> Callable[..., None] | None:
        if self._choose.random() >= self.share:
            return None
        self.served += 1
        return self._choose.choice(faults)


def _slow(exchange: relay.Exchange) -> None:
    threading.Event().wait(0.3)
    relay.honest(exchange)


_STORE_FAULTS = (
    *(relay.status(code) for code in (429, 500, 502, 503)),
    *(relay.refused, relay.lost, _slow),
)
_BODY_FAULTS = (relay.cut, relay.corrupted, relay.shortened)
_WEB_FAULTS = (
    *(web.status(code) for code in (429, 500, 502, 503)),
    web.raw(b"", reset=True),
    web.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc"),
    web.raw(b"no HTTP\r\n\r\n"),
    web.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"),
)


@dataclass
class Place:
    """A runner, and the images that its jobs read.

    Attributes:
        inputs: the images, as the command line takes them.
        root: folder of the outputs.
        options: of the disturbed job.
        options_again: of the job that resumes it.
        is_cold: whether jobs start as a user starts them.
        faults: of its server.
        flink: its cluster.
        alone: held by a job that must not run beside another one here.
    """

    inputs: tuple[object, ...]
    root: AnyPath
    options: tuple[object, ...] = ()
    options_again: tuple[object, ...] = ()
    is_cold: bool = False
    faults: Faults | None = None
    flink: Flink | None = None
    alone: threading.Lock = field(default_factory=threading.Lock)


class Places:
    """All places of a campaign, below one folder."""

    def __init__(self, folder: Path, seed: int, stack: ExitStack) -> None:
        self._folder = folder
        self._seed = seed
        self._stack = stack
        self._images = folder / "images"
        archive(self._images, _PICTURES, rubbish=_RUBBISH)

    def start(self, name: str) -> Place:
        """Start what a place needs."""
        root = self._folder / name.replace(", ", "-").replace(" ", "-")
        root.mkdir(exist_ok=True)
        match name:
            case "DirectRunner, processes":
                options: tuple[object, ...] = (*_PROCESSES, "--stall-seconds", "240")
            case "Prism":
                options = ("--runner=PrismRunner", f"--prism_location={PRISM}")
            case "Flink":
                flink = Flink(root)
                self._stack.callback(flink.stop)
                flink.start(task_managers=2)
                return Place((self._images,), root, flink.options(), is_cold=True, flink=flink)
            case "failing web server":
                return self._web(root)
            case "S3" | "GCS":
                return self._bucket(name)
            case _:
                options = ()
        return Place((self._images,), root, options, is_cold=name != "DirectRunner")

    def _web(self, root: Path) -> Place:
        site, faults = self._stack.enter_context(web.Site().running()), Faults(self._seed)
        urls = [
            site.add(f"/{path.name}", faults.answer(_WEB_FAULTS, web.stored(path.read_bytes())))
            for path in sorted(self._images.rglob("*.jpg"))
        ]
        manifest = root / "urls.txt"
        manifest.write_text("\n".join(urls))
        options = ("--allow-private-hosts", "--read-attempts", "3")
        return Place((manifest,), root, options, options, faults=faults)

    def _bucket(self, name: str) -> Place:
        server = servers.s3_server if name == "S3" else servers.gcs_server
        between = relay.Relay(self._stack.enter_context(server()))
        self._stack.enter_context(between.running())
        if name == "S3":
            variables = {key.upper(): value for key, value in servers.S3_KEYS.items()}
            variables["AWS_ENDPOINT_URL_S3"] = between.address
        else:
            variables = {"STORAGE_EMULATOR_HOST": between.address}
        self._stack.enter_context(patch.dict(os.environ, variables))
        # A client of an earlier test uses another server.
        registry.forget_stores()
        self._stack.callback(registry.forget_stores)
        faults = Faults(self._seed)
        between.faults = relay.Always([faults.fault])
        root = Location(f"{'s3' if name == 'S3' else 'gs'}://{servers.BUCKET}")
        for path in self._images.rglob("*.jpg"):
            uri = f"{root}/images/{path.relative_to(self._images)}"
            store_for(uri).write(uri, path.read_bytes())
        return Place((f"{root}/images/",), root / "labels", faults=faults)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of 4 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _can_mount() -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        suppress(OSError, subprocess.SubprocessError),
        small_disk(Path(folder)),
    ):
        return True
    return False
