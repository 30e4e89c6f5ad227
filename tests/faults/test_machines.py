"""Test jobs on machines that are not alone, not trusted, not large, or wrong about the time."""

import os
import re
import signal
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from imagebeam.outputs.layout import Layout
from imagebeam.storage import Location
from tests.beam_pipeline.jobs import COMMAND, ROOT, archive, errors, predictions
from tests.beam_pipeline.test_bucket_outputs import fetched
from tests.faults.decoding import bmp
from tests.faults.jobs import Job, assert_same_rows, label

_CLOCK = Path(__file__).with_name("clock")


def _host(name: str) -> tuple[str, ...]:
    """Return a command that runs another one as on another host: other name, other processes."""
    namespaces = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
    if subprocess.run([*namespaces, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("another host needs root's namespaces")
    return (*namespaces, "sh", "-c", f'hostname {name} && exec "$@"', "sh")


@pytest.mark.slow
def test_a_host_that_was_stopped_for_long_writes_nothing_after_another_took_over(
    tmp_path: Path, gcs_bucket: str
) -> None:
    output = Location(f"{gcs_bucket}/{uuid.uuid4().hex}")
    images, clean = tmp_path / "in", tmp_path / "clean"
    archive(images, 6, rubbish=2)
    held = Path(bmp(images / "held.bmp", 7, "wait"))
    command = (images, "--output", output, "--images-per-shard", 1)
    first = Job(*command, through=_host("first"))
    first.wait_until(held.with_suffix(".reached").exists)
    second = Job(*command, through=_host("second"))
    code, stderr = second.finish()
    assert code == 2
    assert re.search(r"another run is writing to it \(process \d+ on first\)", stderr)
    os.killpg(first.pid, signal.SIGSTOP)
    held.with_suffix(".go").touch()
    # It waits half a minute for a sign of life.
    assert Job(*command, through=_host("second")).finish()[0] == 0
    before = fetched(output, tmp_path / "before")
    os.killpg(first.pid, signal.SIGCONT)
    code, stderr = first.finish()
    assert (code, "a later run has taken it over" in stderr) == (3, True)
    assert label(images, "--output", clean) == 0
    assert_same_rows(fetched(output, tmp_path / "after"), clean)
    assert predictions(before) == predictions(clean)
    assert not Layout(output).lease.exists()


@pytest.mark.slow
def test_of_two_hosts_that_start_at_once_one_labels(tmp_path: Path, s3_bucket: str) -> None:
    output = Location(f"{s3_bucket}/{uuid.uuid4().hex}")
    images, clean = tmp_path / "in", tmp_path / "clean"
    archive(images, 6, rubbish=2)
    command = (images, "--output", output, "--images-per-shard", 1)
    jobs = [Job(*command, through=_host(name)) for name in ("first", "second")]
    ends = [job.finish() for job in jobs]
    # One that comes late finds everything done.
    assert sorted(code for code, _ in ends) in ([0, 2], [0, 0])
    for code, stderr in ends:
        assert (code == 0) != ("another run is writing to it" in stderr)
    assert label(images, "--output", clean) == 0
    assert_same_rows(fetched(output, tmp_path / "copy"), clean)


@pytest.mark.slow
def test_a_wall_clock_that_jumps_changes_no_row(tmp_path: Path, gcs_bucket: str) -> None:
    images, clean = tmp_path / "in", tmp_path / "clean"
    archive(images, 6, rubbish=2)
    assert label(images, "--output", clean) == 0
    output = Location(f"{gcs_bucket}/{uuid.uuid4().hex}")
    for place in (tmp_path / "out", output):
        code, stderr = Job(images, "--output", place, plugin=_CLOCK).finish()
        assert code == 0, stderr
    assert_same_rows(tmp_path / "out", clean)
    assert_same_rows(fetched(output, tmp_path / "copy"), clean)


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Make a control group; return its folder."""
    root = Path("/sys/fs/cgroup")
    group = (root / "memory" if (root / "memory").is_dir() else root) / f"test-{uuid.uuid4().hex}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("a control group needs root")
    yield group
    # Its last process may just have ended.
    for _ in range(100):
        with suppress(OSError):
            group.rmdir()
            return
        signal.sigtimedwait((), 0.05)


def _memory_limit(group: Path) -> Path:
    names = ("memory.max", "memory.limit_in_bytes")
    [limit] = [group / name for name in names if (group / name).exists()]
    return limit


def _killed_for_memory(group: Path) -> int:
    """Return how many processes of a group the system has killed for its memory."""
    names = ("memory.events", "memory.oom_control")
    [counts] = [group / name for name in names if (group / name).exists()]
    return int(dict(map(str.split, counts.read_text().splitlines()))["oom_kill"])


def _inside(group: Path) -> tuple[str, ...]:
    """Return a command that runs another one in a control group."""
    return ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")


@pytest.mark.slow
def test_a_job_takes_less_memory_where_there_is_less(tmp_path: Path, small_group: Path) -> None:
    images, clean = tmp_path / "in", tmp_path / "clean"
    archive(images, 16, rubbish=4)
    for name, size in (
        ("12.jpg", (4000, 3000)),
        ("12.png", (4000, 3000)),
        ("42.png", (6500, 6500)),
    ):
        Image.linear_gradient("L").resize(size).convert("RGB").save(tmp_path / name)
        # Several processes get large pictures, because each gets 16 at most.
        for number in range(8):
            os.link(tmp_path / name, images / f"{number:02}-{name}")
    job = (images, "--output")
    assert label(*job, clean) == 0
    for megabytes, allowed in ((512, 2), (1000, 8), (2000, None)):
        _memory_limit(small_group).write_text(str(megabytes * 1_000_000))
        output = tmp_path / str(megabytes)
        limited = Job(*job, output, "--decode-processes", 12, through=_inside(small_group))
        code, stderr = limited.finish()
        assert code == 0, stderr
        lowered = re.findall(r"the memory limit of (\d+) MB allows (\d+)\.", stderr)
        assert lowered == ([(str(megabytes), str(allowed))] if allowed else [])
        assert _killed_for_memory(small_group) == 0
        assert_same_rows(output, clean)


@pytest.mark.slow
def test_a_job_that_the_system_kills_for_its_memory_resumes(
    tmp_path: Path, small_group: Path
) -> None:
    images, output, clean = tmp_path / "in", tmp_path / "out", tmp_path / "clean"
    archive(images, 12, rubbish=2)
    held = Path(bmp(images / "held.bmp", 7, "wait"))
    limit = _memory_limit(small_group)
    limit.write_text(str(2 << 30))
    job = Job(images, "--output", output, "--images-per-shard", 1, through=_inside(small_group))
    job.wait_until(held.with_suffix(".reached").exists)
    # Version 1 refuses a limit below what is used. Just above, the next pages are too many.
    for megabytes in range(1000, 20, -1):
        try:
            limit.write_text(str(megabytes << 20))
        except OSError:
            break
    held.with_suffix(".go").touch()
    code, _ = job.finish()
    assert code in (3, -signal.SIGKILL)
    assert not (output / "summary.json").exists()
    assert label(images, "--output", output) == 0
    assert label(images, "--output", clean) == 0
    assert_same_rows(output, clean)


@pytest.mark.slow
def test_a_machine_without_proc_gives_the_same_labels(tmp_path: Path) -> None:
    hidden = ("unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh")
    if subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("hiding /proc needs root's namespaces")
    images, packed = tmp_path / "in", tmp_path / "packed.tar.gz"
    archive(images, 3, rubbish=1)
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(images, "in")
    out, clean = tmp_path / "out", tmp_path / "clean"
    assert label(images, packed, "--output", clean) == 0
    code, stderr = Job(images, packed, "--output", out, through=hidden).finish()
    assert code == 0, stderr
    # LiteRT does not know the processor there, and rounds the scores in another way.
    named = [[(row["uri"], row["label"]) for row in predictions(each)] for each in (out, clean)]
    assert named[0] == named[1]
    assert errors(out) == errors(clean)


@pytest.mark.slow
def test_a_user_without_rights_or_home_runs_the_demo(tmp_path: Path) -> None:
    # Nobody may enter root's folders, where Python itself may be. In a namespace of its own, this
    # user is nobody and may do no more than the owner of its files.
    user: tuple[str, ...] = ("unshare", "--user", "--map-user=nobody", "--map-group=nogroup")
    if os.geteuid() != 0:
        user = ()
    elif subprocess.run([*user, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("another user needs a namespace")
    (tmp_path / "closed").mkdir(0o500)
    (tmp_path / "in").mkdir()
    archive(tmp_path / "in", 3)
    (closed := tmp_path / "in" / "closed.jpg").write_bytes(b"\xff\xd8")
    closed.chmod(0)
    for words, expected, message in (
        (("demo",), 0, ""),
        (("label", "in", "--output", "out", "--module", "demo"), 0, "1 permission_denied"),
        (("label", "in", "--output", "closed/out"), 2, "Permission denied. Choose an "),
    ):
        done = subprocess.run(
            [*user, *COMMAND, *map(str, words)],
            cwd=tmp_path,
            env=os.environ | {"HOME": "/nonexistent", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, message in done.stderr) == (expected, True), done.stderr
    assert label(tmp_path / "in", "--output", tmp_path / "out", "--module", "demo") == 0
