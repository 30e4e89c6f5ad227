"""Test the command `doctor`."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.beam_pipeline.colours import draw, write_module
from tests.beam_pipeline.jobs import COMMAND, ROOT, imagebeam
from tests.engines.tools import free_port


def _findings(capfd: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capfd.readouterr()
    code = imagebeam("doctor", *arguments, "--json")
    captured = json.loads(capfd.readouterr().out)
    assert captured["ready"] is (code == 0)
    return {each["about"]: each for each in captured["findings"]}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for index in range(3):
        draw(tmp_path / "in" / f"{index}.png", 0, 255, 0)
    return tmp_path


@pytest.mark.slow
def test_a_job_that_can_run_is_ready(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    module = write_module(archive / "module.tflite")
    before = sorted(os.listdir(archive))
    found = _findings(
        capfd, archive / "in", "--output", archive / "out", "--module", module, "--cores", 4
    )
    assert sorted(os.listdir(archive)) == before
    states = {about: each["state"] for about, each in found.items()}
    assert states == dict.fromkeys(
        (
            *("versions", "module", "labels", "output", "runner", "files", "workers"),
            *("inputs", "sample", "estimate", "space"),
        ),
        "ok",
    )
    assert found["estimate"]["facts"]["cores"] == 4


@pytest.mark.slow
def test_every_problem_has_a_line(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    endpoint = f"--job_endpoint=localhost:{free_port()}"
    (archive / "out").write_text("")
    found = _findings(
        capfd,
        *(archive / "elsewhere", "--output", archive / "out", "--module", archive / "none"),
        *("--runner=PortableRunner", endpoint),
    )
    failures = {about: each["message"] for about, each in found.items() if each["state"] != "ok"}
    assert list(failures) == ["module", "output", "runner", "inputs"]
    assert failures["module"].startswith(f"'{archive}/none': ")
    assert failures["output"].startswith(f"{archive}/out: Not a directory.")
    assert failures["runner"].startswith(f"{endpoint}: no job server responds there")
    assert failures["inputs"].startswith(f"{archive}/elsewhere: no such file or folder.")


@pytest.mark.slow
def test_a_server_that_never_responds_does_not_block(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        master = f"--flink_master=127.0.0.1:{silent.getsockname()[1]}"
        found = _findings(capfd, "--runner=FlinkRunner", master, "--deadline", 5)
    assert found["runner"]["state"] == "failure"
    assert found["runner"]["message"].startswith("did not finish within 5 s.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sample", "0"), "--sample 0: must be at least 1."),
        (("--cores", "0"), "--cores 0: must be at least 1."),
        (("-",), "-: doctor does not read standard input. Name a file."),
        (("--emit", "boxes"), "--emit boxes: 'boxes' must be one of"),
        (("--top_k=3",), "--top_k=3: no such option, here or in Beam. Did you mean `--top-k`?"),
    ],
)
def test_wrong_usage_is_refused(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert imagebeam("doctor", *arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert message in captured.err


@pytest.mark.slow
def test_ctrl_c_ends_all_processes() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        subprocess.Popen(
            [
                *(*COMMAND, "doctor", "--runner=FlinkRunner"),
                f"--flink_master=127.0.0.1:{silent.getsockname()[1]}",
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        ) as doctor,
    ):
        connection, _ = silent.accept()
        [check] = psutil.Process(doctor.pid).children()
        doctor.send_signal(signal.SIGINT)
        assert doctor.wait() == 130
        connection.close()
    assert not check.is_running()
