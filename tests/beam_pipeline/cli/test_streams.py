"""Every command with standard streams that are closed, full or unread, and without rights."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.__main__ import main
from imagebeam.beam_pipeline.cli.command_parser import COMMANDS
from tests.beam_pipeline.every_command import WORDS, Paths, label_some
from tests.faults.forked import SERVER, without_root_rights

_PATIENCE = 300


def _unread() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


def _full() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _full_messages() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 2)


def _closed_output() -> None:
    # As Python does when it starts.
    vars(sys)["stdout"] = None
    os.close(1)


def _closed() -> None:
    vars(sys).update(stdin=None, stdout=None, stderr=None)
    for descriptor in (0, 1, 2):
        os.close(descriptor)


_WAYS: dict[str, Callable[[], object]] = {
    "as usual": lambda: None,
    "unread": _unread,
    "full": _full,
    "full messages": _full_messages,
    "closed output": _closed_output,
    "closed": _closed,
    "without root's rights": without_root_rights,
}


def _run(words: list[str], way: str, place: Path, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.argv = ["imagebeam", *words]
    _WAYS[way]()
    main()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an output and its images."""
    folder = tmp_path_factory.mktemp("streams")
    label_some(folder)
    return folder


def test_every_command_is_tried() -> None:
    assert tuple(WORDS) == COMMANDS


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_the_same_whatever_its_streams_are(
    tmp_path: Path, base: Path, command: str
) -> None:
    codes, written = {}, {}
    for way in _WAYS:
        (place := tmp_path / way / "new").mkdir(parents=True)
        shutil.copytree(base / "out", place.parent / "out")
        words = WORDS[command](Paths(base / "in", base / "true.csv", place.parent / "out", place))
        arguments = [*command.split(), *map(str, words)]
        process = SERVER.Process(target=_run, args=(arguments, way, place.parent, dict(os.environ)))
        process.start()
        process.join(_PATIENCE)
        codes[way] = process.exitcode
        written[way] = (place.parent / "stdout").read_text()
        stderr = (place.parent / "stderr").read_text()
        assert "Traceback" not in stderr, way
        if codes[way] == 3:
            assert "No space left on device" in stderr
    usual = codes["as usual"]
    assert usual in (0, 1, 2)
    full = 3 if written["as usual"] else usual
    assert codes == dict.fromkeys(_WAYS, usual) | {"full": full}
    assert written["unread"] == written["full"] == written["closed"] == ""
