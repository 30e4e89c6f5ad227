"""A real Flink on this machine: a standalone cluster and Beam's job server, one process each.

Its workers are processes that Beam's own boot program starts in environments that hold what our
package needs and not the package, which has to be sent.
"""

import json
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil

from tests.beam_pipeline.jobs import ROOT
from tests.engines.tools import free_port, listens, tool, wait_until, workers_below

_OPENED = (
    *("java.lang", "java.net", "java.io", "java.nio", "java.util", "java.util.concurrent"),
    *("java.time", "sun.nio.ch"),
)
_JAVA = (
    "java",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
)
_TASK_MANAGER = {
    "taskmanager.numberOfTaskSlots": "1",
    "taskmanager.cpu.cores": "1",
    "taskmanager.memory.task.heap.size": "256m",
    "taskmanager.memory.task.off-heap.size": "0b",
    "taskmanager.memory.network.min": "128m",
    "taskmanager.memory.network.max": "128m",
    "taskmanager.memory.managed.size": "128m",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
}
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_RUNNER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_SETTINGS = ROOT / "deploy" / "flink" / "config.yaml"
_PLACE = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
jobmanager.memory.process.size: 1g
rest.address: localhost
rest.bind-address: localhost
rest.port: {rest}
taskmanager.host: localhost
io.tmp.dirs: {folder}
classloader.resolve-order: parent-first
"""
# Boot installs the package into its own environment: each worker has a separate one.
_WORKER = """\
#!/bin/sh
set -e
place=$(mktemp -d "{folder}/worker-XXXXXXXX")
"{python}" -m venv --without-pip "$place"
[ ! -f "{folder}/environment" ] || . "{folder}/environment"
echo "{packages}" > "$(echo "$place"/lib/python*/site-packages)/beam.pth"
cd "$place"
export PATH="$place/bin:$PATH" RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
exec "{boot}" --semi_persist_dir="$place" "$@"
"""


Runner = Literal["portable", "with job server", "alone"]


class Flink:
    """A cluster whose task managers have one slot each, and a job server that submits to it.

    Attributes:
        rest: `localhost:port` of the cluster.
        job_endpoint: `localhost:port` of the job server.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._job_server = tool("job-server.jar")
        # Beam keeps a job's workers between stages only if Flink itself loads Beam's classes.
        self._jars = f"{tool('flink') / 'deps' / 'lib' / '*'}:{self._job_server}"
        self._worker = folder / "worker.sh"
        self._worker.write_text(
            _WORKER.format(
                folder=folder,
                python=sys.executable,
                packages="\n".join(each for each in sys.path if each.endswith("site-packages")),
                boot=tool("bin/container"),
            )
        )
        self._worker.chmod(0o755)
        self._processes: list[psutil.Popen] = []
        self.task_managers: list[psutil.Popen] = []

    def start(self, task_managers: int) -> None:
        """Start everything and wait until the cluster has its slots."""
        rest, rpc = free_port(), free_port()
        self.rest = f"localhost:{rest}"
        (self._folder / "config.yaml").write_text(
            _SETTINGS.read_text(encoding="utf-8")
            + _PLACE.format(rest=rest, rpc=rpc, folder=self._folder)
        )
        self._run_flink("job-manager", _JOB_MANAGER, "--executionMode", "cluster")
        for _ in range(task_managers):
            self.start_task_manager()
        self.start_job_server()
        self.wait_for_task_managers(task_managers)

    def start_job_server(self) -> psutil.Popen:
        """Start a job server, and use it from now on."""
        port = free_port()
        server = self._start(
            "job-server",
            *("-Xmx512m", "-jar", str(self._job_server), "--flink-master", self.rest),
            *("--job-port", str(port), "--artifact-port", "0", "--expansion-port", "0"),
            *("--artifacts-dir", str(self._folder / "artifacts")),
        )
        wait_until(lambda: _lives(server) and listens(port), "Beam's job server does not listen")
        self.job_endpoint = f"localhost:{port}"
        return server

    def start_task_manager(self) -> psutil.Popen:
        """Start one more task manager."""
        settings = [part for item in _TASK_MANAGER.items() for part in ("-D", "=".join(item))]
        name = f"task-manager-{len(self.task_managers)}"
        self.task_managers.append(self._run_flink(name, _TASK_RUNNER, *settings))
        return self.task_managers[-1]

    def wait_for_task_managers(self, count: int) -> None:
        """Wait until the cluster has this number of task managers."""
        wait_until(lambda: self._overview().get("taskmanagers") == count, f"{count} task managers")

    def workers(self) -> list[psutil.Process]:
        """Return the Python worker processes."""
        return [
            process
            for manager in self.task_managers
            if manager.is_running() and manager.status() != psutil.STATUS_ZOMBIE
            for process in workers_below(manager)
        ]

    def set_worker_environment(self, **variables: str) -> None:
        """Set the variables of workers that start from now on, such as their own credentials."""
        lines = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
        (self._folder / "environment").write_text(lines)

    def options(self, runner: Runner = "with job server") -> tuple[str, ...]:
        """Return the command-line options that run a job on it."""
        runners = {
            "portable": ("--runner=PortableRunner", f"--job_endpoint={self.job_endpoint}"),
            "with job server": (
                *("--runner=FlinkRunner", f"--flink_master={self.rest}"),
                f"--job_endpoint={self.job_endpoint}",
            ),
            "alone": (
                *("--runner=FlinkRunner", f"--flink_master={self.rest}"),
                f"--flink_job_server_jar={self._job_server}",
            ),
        }
        workers = json.dumps({"command": str(self._worker)})
        return (
            *runners[runner],
            *("--environment_type=PROCESS", f"--environment_config={workers}"),
            # This must be shorter than a restart, or the restarted job gets the dead worker.
            *("--parallelism=2", "--environment_cache_millis=1500"),
        )

    def running_jobs(self) -> list[str]:
        """Return the ids of the jobs that have not ended."""
        jobs = self._asked("jobs/overview").get("jobs", [])
        ended = ("FINISHED", "FAILED", "CANCELED")
        return [job["jid"] for job in jobs if job["state"] not in ended]

    def stop(self) -> None:
        """End all its processes."""
        family = [
            each
            for process in self._processes
            if process.is_running()
            for each in (process, *process.children(recursive=True))
        ]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family)

    def _overview(self) -> dict[str, Any]:
        return self._asked("overview")

    def _asked(self, what: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://{self.rest}/{what}", timeout=10) as answer:
                return dict(json.load(answer))
        except OSError:
            return {}

    def _run_flink(self, name: str, main: str, *arguments: str) -> psutil.Popen:
        memory = ("-Xmx384m", "-XX:MaxDirectMemorySize=384m")
        configuration = ("--configDir", str(self._folder))
        return self._start(name, *memory, "-cp", self._jars, main, *configuration, *arguments)

    def _start(self, name: str, *arguments: str) -> psutil.Popen:
        with (self._folder / f"{name}.log").open("ab") as log:
            command = (*_JAVA, *arguments)
            process = psutil.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        self._processes.append(process)
        return process


def _lives(process: psutil.Popen) -> bool:
    """Return True.

    Raises:
        RuntimeError: the process has ended, and will never be ready.
    """
    if (code := process.poll()) is not None:
        raise RuntimeError(f"{process.args} ended with {code}; see its log")
    return True
