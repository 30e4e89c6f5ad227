"""Which jobs begin to decode before Beam is there, and with what."""

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.beam_pipeline.runners import head_start as tested
from imagebeam.images.errors import InputError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Preprocessing
from imagebeam.modules import ModuleError
from tests.beam_pipeline.jobs import COMMAND, ROOT, archive, imagebeam, predictions


class _Reader:
    """Takes note of what it is asked for."""

    def __init__(self) -> None:
        self.arguments: tuple[Any, ...] = ()
        self.names: list[str] = []

    def __call__(self, *arguments: Any) -> "_Reader":
        self.arguments = arguments
        return self

    def start(self) -> None:
        pass

    def read_ahead(self, locations: Iterable[ImageLocation]) -> None:
        self.names += [each.address for each in locations]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> _Reader:
    reader = _Reader()
    monkeypatch.setattr(tested, "shared_reader", reader)
    return reader


def _begun(reader: _Reader, tmp_path: Path, *names: Path, **options: Any) -> list[str]:
    inputs = tuple(map(str, names))
    with tested.head_start(LabelOptions(inputs, tmp_path / "out", **options)):
        return reader.names


def test_a_new_job_begins_with_its_first_images(reader: _Reader, tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 4)
    options = {"resize": "stretch", "decode_processes": 3, "decode_seconds": 7.0}
    assert _begun(reader, tmp_path, tmp_path / "in", limit=3, **options) == names[:3]
    assert reader.arguments[:3] == (
        Preprocessing((128, 128), "stretch"),
        3,
        DecodeLimits(7.0),
    )


def test_it_begins_with_what_comes_before_the_first_that_is_no_local_file(
    reader: _Reader, tmp_path: Path
) -> None:
    names = archive(tmp_path / "in", 4)
    tar = tmp_path / "a.tar"
    with tarfile.open(tar, "w") as file:
        file.add(names[0], "a.jpg")
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(f'"{names[0]}"\n7\n"{names[1]}"\n"https://example.com/a"\n"{names[2]}"\n')
    assert _begun(reader, tmp_path, manifest) == names[:2]
    reader.names = []
    assert _begun(reader, tmp_path, tar, tmp_path / "in") == []


def test_other_jobs_wait(reader: _Reader, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1)
    assert _begun(reader, tmp_path, tmp_path / "in", beam_args=("--runner=FlinkRunner",)) == []
    # Nobody answers there, and nobody is asked.
    remote = LabelOptions(("http://127.0.0.1:9/list.txt", str(tmp_path / "in")), tmp_path / "out")
    with tested.head_start(remote):
        assert reader.names == []
    (tmp_path / "out").mkdir()
    assert _begun(reader, tmp_path, tmp_path / "in") == []


def test_what_is_wrong_is_said_at_once(reader: _Reader, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1)
    with pytest.raises(InputError, match="no such file or folder"):
        _begun(reader, tmp_path, tmp_path / "none")
    with pytest.raises(ModuleError, match="there is no such module"):
        _begun(reader, tmp_path, tmp_path / "in", module=str(tmp_path / "none"))
    assert reader.names == []


def test_nothing_but_our_own_words_reaches_the_terminal(tmp_path: Path) -> None:
    """Whatever Beam and others say while they are imported, and decoders of what they read."""
    archive(tmp_path / "in", 3, rubbish=4)
    command = (*COMMAND, "label", tmp_path / "in", "--output", tmp_path / "out")
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stderr == "imagebeam: 7 images to do\n"


def test_the_job_takes_over_the_reader_that_had_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Counted(ImageReader):
        def __init__(self, *settings: Any) -> None:
            super().__init__(*settings)
            made.append(settings)

    monkeypatch.setattr("imagebeam.images.reading.reader.ImageReader", Counted)
    archive(tmp_path / "in", 4)
    more = ("--resize=stretch", "--decode-seconds=7", "--max-image-pixels=1000000", "--limit=3")
    assert imagebeam("label", tmp_path / "in", "--output", tmp_path / "out", *more) == 0
    assert len(predictions(tmp_path / "out")) == 3
    assert len(made) == 1


def test_a_job_that_was_refused_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 2)
    refused = ("--labels", tmp_path / "none.txt", "--output", tmp_path / "out")
    assert imagebeam("label", tmp_path / "in", *refused) == 2
    Path(names[0]).write_bytes(Path(names[1]).read_bytes())
    assert imagebeam("label", tmp_path / "in", "--output", tmp_path / "out") == 0
    first, second = predictions(tmp_path / "out")
    assert (first["label"], first["score"]) == (second["label"], second["score"])
