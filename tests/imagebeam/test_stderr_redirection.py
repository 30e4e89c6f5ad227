import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from imagebeam import stderr_redirection
from tests.beam_pipeline.jobs import ROOT


def test_output_of_libraries_goes_to_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text("earlier\n")
    with stderr_redirection.redirect_library_stderr(log, debug=False) as stderr:
        print("printed", file=sys.stderr)
        os.write(2, b"native\n")
        subprocess.run(["sh", "-c", "echo child >&2"], check=True)
        print("for people", file=stderr)
    print("after", file=sys.stderr)
    assert log.read_text() == "earlier\nprinted\nnative\nchild\n"
    assert capfd.readouterr().err == "for people\nafter\n"


def test_streams_are_restored_after_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with (
        pytest.raises(KeyboardInterrupt),
        stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=False),
    ):
        raise KeyboardInterrupt
    os.write(2, b"native\n")
    assert capfd.readouterr().err == "native\n"
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_debug_shows_all_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=True) as stderr:
        print("printed", file=sys.stderr)
        print("for people", file=stderr)
    assert capfd.readouterr().err == "printed\nfor people\n"
    assert not (tmp_path / "log.txt").exists()


def test_output_that_cannot_be_written_is_dropped_without_an_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with stderr_redirection.redirect_library_stderr(Path("/dev/full"), debug=False) as stderr:
        print("printed", file=sys.stderr, flush=True)
        logging.getLogger("test").error("logged")
        print("for people", file=stderr)
    assert capfd.readouterr().err == "for people\n"


def test_records_for_a_full_disk_are_not_written_later() -> None:
    script = """
import logging, sys
from pathlib import Path
from imagebeam import stderr_redirection

sys.stderr = stderr_redirection.ignore_broken_pipe(sys.stderr)
logging.warning("before")
with stderr_redirection.redirect_library_stderr(Path("/dev/full"), debug=False):
    logging.error("inside")
logging.warning("after")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stderr == "WARNING:root:before\nWARNING:root:after\n"


def test_log_records_go_to_the_file(tmp_path: Path) -> None:
    with stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=False):
        logging.getLogger("test").warning("logged")
        logging.getLogger("test").info("too little")
    logging.getLogger("test").warning("after")
    assert (tmp_path / "log.txt").read_text() == "WARNING:test:logged\n"


def test_a_library_that_kept_the_stream_can_still_write_afterwards(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=False):
        kept = sys.stderr
    print("later", file=kept)
    assert capfd.readouterr().err == "later\n"


def test_any_text_can_be_written(tmp_path: Path) -> None:
    with stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=False):
        print("ü \udcff", file=sys.stderr)
    assert (tmp_path / "log.txt").read_text() == "ü \\udcff\n"


def test_levels_and_warnings_are_restored(tmp_path: Path) -> None:
    root, hook = logging.getLogger(), warnings.showwarning
    level = root.level
    with (
        warnings.catch_warnings(),
        stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=False),
    ):
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    assert (root.level, warnings.showwarning) == (level, hook)
    assert "careful" in (tmp_path / "log.txt").read_text()


def test_captured_warnings_remain_captured(tmp_path: Path) -> None:
    logging.captureWarnings(True)
    try:
        hook = warnings.showwarning
        with stderr_redirection.redirect_library_stderr(tmp_path / "log.txt", debug=False):
            pass
        assert warnings.showwarning is hook
    finally:
        logging.captureWarnings(False)


def test_a_descriptor_is_redirected_and_restored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        (tmp_path / "native.txt").open("w") as file,
        stderr_redirection.redirect_descriptor(file.fileno()) as real,
    ):
        os.write(2, b"native\n")
        os.write(real, b"for people\n")
    os.write(2, b"after\n")
    assert (tmp_path / "native.txt").read_text() == "native\n"
    assert capfd.readouterr().err == "for people\nafter\n"
