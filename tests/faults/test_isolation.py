"""Test that a decoder can only affect the image that it decodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_process import DecodingProcess
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import DecodeLimits
from tests.beam_pipeline.jobs import ROOT
from tests.faults.decoding import PLUGIN, PREPROCESSING, bmp, children, read, seen

MEMORY = 100_000_000
HASTY = DecodeLimits(seconds=2, memory=MEMORY)
PATIENT = DecodeLimits(seconds=60, memory=MEMORY)

pytestmark = pytest.mark.usefixtures("faulty_decoder")


@pytest.fixture
def process() -> Iterator[DecodingProcess]:
    one = DecodingProcess(PREPROCESSING, PATIENT)
    yield one
    one.close()


@pytest.mark.parametrize("fault", ["hang", "stutter", pytest.param("stop", marks=pytest.mark.slow)])
def test_an_endless_decoder_fails_one_image(tmp_path: Path, fault: str) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n, fault if n == 4 else "") for n in range(10)]
    process = DecodingProcess(PREPROCESSING, HASTY)
    found = read(process, uris)
    process.close()
    assert seen(found) == [0, 1, 2, 3, "decode_timeout", 5, 6, 7, 8, 9]
    assert str(found.outcomes[4]) == "no pixels within 2 s"


@pytest.mark.slow
def test_each_slow_picture_has_its_own_time_limit(tmp_path: Path) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n, "dawdle" if n < 4 else "") for n in range(6)]
    process = DecodingProcess(PREPROCESSING, DecodeLimits(seconds=4, memory=MEMORY))
    assert seen(read(process, uris)) == [0, 1, 2, 3, 4, 5]
    process.close()


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("crash", "decode_crash", "the decoding process ended with signal Segmentation fault"),
        ("close", "decode_crash", "the decoding process ended with a closed socket"),
        (
            "boast",
            "decode_crash",
            "the decoding process sent an invalid answer: a message of 4,294,967",
        ),
        ("babble", "decode_crash", "the decoding process sent an invalid answer: "),
        ("eat", "decode_memory", "no memory was left to decode it"),
        ("raise", "corrupt", "RuntimeError: a decoder's own error"),
        pytest.param(
            *("exit", "decode_crash", "the decoding process ended with exit code 7"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("huge", "decode_memory", "no memory was left to decode it"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_fault_fails_only_its_own_image(
    tmp_path: Path, process: DecodingProcess, fault: str, code: str, message: str
) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", 20 * n, fault if n == 4 else "") for n in range(1, 10)]
    found = read(process, uris)
    assert seen(found) == [20, 40, 60, code, 100, 120, 140, 160, 180]
    assert str(found.outcomes[3]).startswith(message)
    assert seen(read(process, uris[:2])) == [20, 40]


def test_faults_in_a_row_keep_order_and_pixels_of_others(tmp_path: Path) -> None:
    faults = {5: "hang", 6: "crash", 17: "eat", 79: "stop"}
    codes = {"hang": "decode_timeout", "stop": "decode_timeout", "eat": "decode_memory"}
    uris = [bmp(tmp_path / f"{n}.bmp", n, faults.get(n, "")) for n in range(80)]
    reader = ImageReader(PREPROCESSING, processes=2, limits=HASTY)
    expected = [codes.get(faults[n], "decode_crash") if n in faults else n for n in range(80)]
    assert seen(reader.read([*map(ImageLocation, uris)])) == expected
    reader.close()


def test_when_every_image_crashes_each_has_its_row(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n, "crash") for n in range(3)]
    assert seen(read(process, uris)) == ["decode_crash"] * 3


def test_an_image_that_crashes_once_is_decoded_again(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n, "crash once" if n == 2 else "") for n in range(4)]
    assert seen(read(process, uris)) == [0, 1, 2, 3]


def test_memory_is_counted_for_one_image_at_a_time(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n, "leak" if n < 9 else "") for n in range(10)]
    assert seen(read(process, uris)) == list(range(10))


@pytest.mark.parametrize(("wished", "threads"), [(None, "1"), ("3", "3")])
def test_a_child_starts_no_algebra_threads_by_default(
    tmp_path: Path,
    process: DecodingProcess,
    monkeypatch: pytest.MonkeyPatch,
    wished: str | None,
    threads: str,
) -> None:
    variable = "OPENBLAS_NUM_THREADS"
    monkeypatch.delenv(variable, raising=False)
    if wished is not None:
        monkeypatch.setenv(variable, wished)
    read(process, [bmp(tmp_path / "1.bmp", 1)])
    [child] = children()
    assert child.environ()[variable] == threads


def test_a_child_killed_while_idle_fails_no_image(tmp_path: Path, process: DecodingProcess) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n) for n in range(3)]
    assert seen(read(process, uris)) == [0, 1, 2]
    [child] = children()
    child.kill()
    assert seen(read(process, uris)) == [0, 1, 2]
    assert child not in children()


def test_a_child_killed_while_decoding_fails_no_image(
    tmp_path: Path, process: DecodingProcess
) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n, "wait" if n == 1 else "") for n in range(3)]

    def kill() -> None:
        _wait_for(tmp_path / "1.reached")
        [child] = children()
        child.kill()
        (tmp_path / "1.go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    assert seen(read(process, uris)) == [0, 1, 2]
    killer.join()


def test_a_child_stopped_while_idle_fails_one_image(tmp_path: Path) -> None:
    uris = [bmp(tmp_path / f"{n}.bmp", n) for n in range(3)]
    process = DecodingProcess(PREPROCESSING, HASTY)
    read(process, uris)
    [child] = children()
    child.suspend()
    assert seen(read(process, uris)) == ["decode_timeout", 1, 2]
    process.close()


def test_the_start_of_a_child_does_not_count_for_the_first_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(2.5)")
    monkeypatch.syspath_prepend(tmp_path)
    process = DecodingProcess(PREPROCESSING, HASTY)
    assert seen(read(process, [bmp(tmp_path / "1.bmp", 1)])) == [1]
    process.close()


def test_a_child_that_cannot_start_breaks_the_job_and_fails_no_image(
    tmp_path: Path, process: DecodingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PIL.py").write_text("raise ImportError('no decoder')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        OSError, match="no decoding process can be started: it ended with exit code 1"
    ):
        read(process, [bmp(tmp_path / "1.bmp", 1)])
    assert children() == []


def test_a_closed_reader_leaves_no_process(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    uris = [bmp(tmp_path / f"{n}.bmp", n) for n in range(32)]
    uris[3] = bmp(tmp_path / "hang.bmp", 0, "hang")
    uris[20] = bmp(tmp_path / "crash.bmp", 0, "crash")
    reader = ImageReader(PREPROCESSING, processes=2, limits=HASTY)
    codes = {3: "decode_timeout", 20: "decode_crash"}
    assert seen(reader.read([*map(ImageLocation, uris)])) == [codes.get(n, n) for n in range(32)]
    assert len(children()) == 2
    reader.close()
    assert children() == []
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_reader_can_be_closed_while_a_picture_hangs(tmp_path: Path) -> None:
    # Waiting for the picture would exceed the time limit of a test.
    reader = ImageReader(PREPROCESSING, processes=2, limits=DecodeLimits(seconds=1e6))
    waiting = [ImageLocation(bmp(tmp_path / "1.bmp", 1, "wait"))]

    def read() -> None:
        with suppress(OSError):
            reader.read(waiting)

    thread = threading.Thread(target=read)
    thread.start()
    _wait_for(tmp_path / "1.reached")
    reader.close()
    thread.join()
    assert children() == []


def test_a_garbage_collected_reader_ends_its_children(tmp_path: Path) -> None:
    reader = ImageReader(PREPROCESSING, processes=1, limits=PATIENT)
    assert seen(reader.read([ImageLocation(bmp(tmp_path / "1.bmp", 1))])) == [1]
    del reader
    assert children() == []


def test_an_interrupted_read_leaves_no_result_for_the_next(
    tmp_path: Path, process: DecodingProcess
) -> None:
    slow = [bmp(tmp_path / "1.bmp", 1), bmp(tmp_path / "2.bmp", 2, "wait")]
    main = threading.get_ident()

    def interrupt() -> None:
        _wait_for(tmp_path / "2.reached")
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        read(process, slow)
    interrupter.join()
    assert seen(read(process, [bmp(tmp_path / "3.bmp", 3)])) == [3]


def test_children_of_a_killed_process_end_even_if_they_hang(tmp_path: Path) -> None:
    hanging = bmp(tmp_path / "1.bmp", 1, "wait")
    program = (
        "import sys; from imagebeam.images.reading.reader import ImageReader; "
        "from imagebeam.images.listed_image import ImageLocation; "
        "from tests.faults.decoding import PREPROCESSING; "
        "ImageReader(PREPROCESSING, 1).read([*map(ImageLocation, sys.argv[1:])])"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, hanging],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PLUGIN), str(ROOT)])},
    )
    _wait_for(tmp_path / "1.reached")
    [child] = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()


def test_nothing_in_the_current_folder_is_imported(
    tmp_path: Path, process: DecodingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("images.py", "pickle.py", "socket.py", "ctypes.py"):
        (tmp_path / name).write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    assert seen(read(process, [bmp(tmp_path / "1.bmp", 1)])) == [1]


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)
