"""A service on this machine that speaks Dataflow's REST protocol and runs the submitted jobs.

It runs a job from what was staged and nothing else: each worker is a process in an environment
of its own, into which the staged packages are installed.
"""

import itertools
import json
import re
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PROJECT, REGION = "project", "europe-west4"
TOKEN = "token-of-the-service"

_WORKER = Path(__file__).with_name("dataflow_worker.py")
_JOBS = f"/v1b3/projects/{PROJECT}/locations/{REGION}/jobs"
_RUNNING, _DONE, _FAILED = "JOB_STATE_RUNNING", "JOB_STATE_DONE", "JOB_STATE_FAILED"
_CANCELLED = "JOB_STATE_CANCELLED"


@dataclass
class Job:
    """A submitted job.

    Attributes:
        body: as it came.
        state: as Dataflow calls it.
        messages: errors that its workers met with.
        worker: the process that does the work; None without one.
    """

    body: dict[str, Any]
    state: str = _RUNNING
    messages: list[str] = field(default_factory=list)
    worker: "subprocess.Popen[str] | None" = None

    def stop(self) -> None:
        """Cancel the job."""
        self.state = _CANCELLED
        if self.worker is not None:
            self.worker.kill()


@dataclass
class Refusal:
    """A response that replaces the regular one, for a number of requests.

    Attributes:
        method: the HTTP method of the requests.
        what: a pattern in the path of the requests.
        code: the HTTP status.
        message: the text of the response.
        times: the number of requests.
    """

    method: str
    what: str
    code: int
    message: str
    times: int = 1000


class Dataflow:
    """The service, and the identity that it accepts.

    Attributes:
        url: where it listens.
        jobs: the submitted jobs by id.
        refusals: the next refusals.
        works: False lets jobs run for ever.
        beam: the Beam version in the workers' images; "" for the installed one.
    """

    def __init__(self, folder: Path, store: str, bucket: str) -> None:
        self._folder = folder
        self._store = store
        self._bucket = bucket
        self.jobs: dict[str, Job] = {}
        self.refusals: list[Refusal] = []
        self.works = True
        self.beam = ""
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def options(self) -> tuple[str, ...]:
        """Return the command-line options that run a job on it."""
        return (
            *("--runner=DataflowRunner", f"--project={PROJECT}", f"--region={REGION}"),
            *(f"--temp_location=gs://{self._bucket}/temp", f"--dataflow_endpoint={self.url}"),
            "--sdk_location=container",
        )

    def key(self, token: str = TOKEN) -> Path:
        """Write the key file of a service account; the service issues this token for it."""
        path = self._folder / f"key-{token}.json"
        if not path.exists():
            private = rsa.generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            account = {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": "1",
                "private_key": private.decode(),
                "client_email": "tests@project.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": f"{self.url}/token/{token}",
            }
            path.write_text(json.dumps(account))
        return path

    def staged(self, uri: str) -> bytes:
        """Return an object of the store behind it."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        place = f"{self._store}/download/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media"
        with urllib.request.urlopen(place) as answer:
            return bytes(answer.read())

    def reset(self) -> None:
        """Forget all jobs and all planned refusals."""
        for job in self.jobs.values():
            job.stop()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self.jobs.clear()
        self.refusals.clear()
        self.works = True
        self.beam = ""

    def stop(self) -> None:
        """End the service and all its jobs."""
        self.reset()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def submit(self, body: dict[str, Any]) -> None:
        """Add a job that the service made from the output of a template's launcher."""
        self._create({"clientRequestId": "", **body})

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Handle one request."""
        if path == _JOBS and method == "POST":
            return self._create(body)
        if path == _JOBS:
            return {"jobs": [self._shown(job) for job in self.jobs]}
        id_, _, what = path.removeprefix(f"{_JOBS}/").partition("/")
        if not path.startswith(f"{_JOBS}/") or id_ not in self.jobs:
            raise LookupError("(c0ffee): The resource is not found")
        job = self.jobs[id_]
        match method, what:
            case "GET", "":
                return self._shown(id_)
            case "PUT", "":
                job.stop()
                return self._shown(id_)
            case "GET", "messages":
                return {"jobMessages": list(map(_message, job.messages))}
            case "GET", "metrics":
                return {}
            case _:
                raise LookupError(path)

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        id_ = f"2026-01-01_00_00_00-{next(self._numbers)}"
        for other, job in self.jobs.items():
            if job.body["name"] == body["name"] and job.state == _RUNNING:
                return self._shown(other)
        job = self.jobs[id_] = Job(body)
        if self.works:
            self._threads.append(threading.Thread(target=self._work, args=(id_, job)))
            self._threads[-1].start()
        return self._shown(id_)

    def _work(self, id_: str, job: Job) -> None:
        place = self._folder / id_
        python = _environment(place, [self._fetched(place, each) for each in _packages(job.body)])
        if self.beam:
            _claim_beam(place, self.beam)
        staged = place / "pipeline.pb"
        staged.write_bytes(self.staged(pipeline_of(job.body)))
        command = (python, _WORKER, staged)
        job.worker = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True)
        _, stderr = job.worker.communicate()
        if job.state != _CANCELLED:
            job.messages += [stderr] if job.worker.returncode else []
            job.state = _FAILED if job.worker.returncode else _DONE

    def _fetched(self, place: Path, package: dict[str, Any]) -> Path:
        path = place / str(package["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.staged("gs://" + package["location"].partition("/")[2]))
        return path

    def _shown(self, id_: str) -> dict[str, Any]:
        job = self.jobs[id_]
        return {
            "id": id_,
            "name": job.body["name"],
            "currentState": job.state,
            "clientRequestId": job.body["clientRequestId"],
            "projectId": PROJECT,
            "location": REGION,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                if url.path.startswith("/token/"):
                    token = url.path.removeprefix("/token/")
                    self._say(200, {"access_token": token, "expires_in": 3600})
                    return
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    self._refuse(401, "Request had invalid authentication credentials.")
                    return
                for refusal in service.refusals:
                    matches = refusal.method == self.command and re.search(refusal.what, url.path)
                    if matches and refusal.times > 0:
                        refusal.times -= 1
                        self._refuse(refusal.code, refusal.message)
                        return
                try:
                    body = json.loads(data) if data else {}
                    self._say(200, service.answer(self.command, url.path, body))
                except LookupError as error:
                    self._refuse(404, str(error))

            do_GET = do_POST = do_PUT = _serve  # noqa: N815 - as the library calls them

            def _refuse(self, code: int, message: str) -> None:
                self._say(code, {"error": {"code": code, "message": message}})

            def _say(self, code: int, answer: dict[str, Any]) -> None:
                data = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def pipeline_of(body: dict[str, Any]) -> str:
    """Return the URI of a job's staged pipeline."""
    return str(body["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"])


def _packages(body: dict[str, Any]) -> list[dict[str, Any]]:
    return list(body["environment"]["workerPools"][0].get("packages", ()))


def _environment(place: Path, packages: list[Path]) -> Path:
    """Create a Python environment with Beam and the packages."""
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", place), check=True)
    packages_here = "\n".join(each for each in sys.path if each.endswith("site-packages"))
    (_site(place) / "beam.pth").write_text(packages_here)
    python = place / "bin" / "python"
    wheels = [path for path in packages if path.suffix == ".whl"]
    if wheels:
        pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
        subprocess.run((*pip, "--no-deps", "--force-reinstall", *wheels), check=True)
    return python


def _site(place: Path) -> Path:
    [site] = place.glob("lib/python*/site-packages")
    return site


def _claim_beam(place: Path, version: str) -> None:
    """Make an environment claim that it contains another version of Beam."""
    information = _site(place) / f"apache_beam-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Name: apache-beam\nVersion: {version}\n")


def _message(text: str) -> dict[str, str]:
    return {
        "id": "1",
        "time": "2026-01-01T00:00:00Z",
        "messageText": text,
        "messageImportance": "JOB_MESSAGE_ERROR",
    }
