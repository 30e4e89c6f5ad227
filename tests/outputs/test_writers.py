import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.writers import Writers
from imagebeam.storage import location
from tests.beam_pipeline.jobs import ROOT
from tests.outputs.outputs import claimed

LATE_WRITER = (
    "import sys; from pathlib import Path\n"
    "from imagebeam.outputs.layout import Layout; from imagebeam.outputs.writers import Writers\n"
    "layout = Layout(Path(sys.argv[1]))\n"
    "print(flush=True)\n"
    "with Writers(layout).one(): (layout.root / 'late').touch()"
)
ENDING = (
    "import sys; from pathlib import Path\n"
    "from imagebeam.outputs.layout import Layout; from imagebeam.outputs.writers import Writers\n"
    "Writers(Layout(Path(sys.argv[1]))).end(); print(flush=True); sys.stdin.read()"
)


def program(text: str, layout: Layout) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", text, str(layout.root)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_an_ending_process_waits_for_active_writers(tmp_path: Path) -> None:
    layout = claimed(tmp_path / "out")
    begun, go, order = threading.Event(), threading.Event(), []

    def write_slowly() -> None:
        with Writers(layout).one():
            begun.set()
            go.wait()
            order.append("written")

    writing = threading.Thread(target=write_slowly)
    writing.start()
    begun.wait()

    def sleep(_seconds: float) -> None:
        go.set()
        writing.join()

    Writers(layout, sleep=sleep).end(60.0)
    order.append("ended")
    assert order == ["written", "ended"]


def test_a_later_writer_waits_until_the_process_has_ended(tmp_path: Path) -> None:
    layout = claimed(tmp_path / "out")
    with program(ENDING, layout) as ending:
        assert ending.stdout is not None
        assert ending.stdout.readline() == b"\n"
        with program(LATE_WRITER, layout) as late:
            assert late.stdout is not None
            assert late.stdout.readline() == b"\n"
            with pytest.raises(subprocess.TimeoutExpired):
                late.wait(0.2)
            assert not (layout.root / "late").exists()
            ending.communicate(b"")
            assert late.wait() == 0
            assert (layout.root / "late").exists()


def test_an_ending_process_does_not_wait_for_a_hanging_disk(tmp_path: Path) -> None:
    layout = claimed(tmp_path / "out")
    times = iter([0.0, 3.0, 6.0])
    with Writers(layout).one():
        Writers(layout, clock=lambda: next(times), sleep=lambda seconds: None).end(5.0)
    assert next(times, None) is None


@pytest.mark.parametrize("name", ["s3://bucket/out", "/nowhere/at/all"])
def test_a_store_without_locks_needs_no_waiting(name: str) -> None:
    layout = Layout(location(name))
    with Writers(layout).one():
        pass
    Writers(layout).end()


def test_the_lock_leaves_no_file(tmp_path: Path) -> None:
    layout = claimed(tmp_path / "out")
    with Writers(layout).one():
        assert os.listdir(tmp_path / "out/job") == ["identity.json"]
        assert os.listdir(tmp_path / "out/errors") == []
