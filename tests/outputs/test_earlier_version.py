"""Test that outputs of the version before the single import name work with this one.

The folder `earlier_version` holds the outputs of a job that was limited to four images, one of
which is not an image. They were listed below `/proc/self/cwd`, another folder in each test.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from imagebeam.modules import appended_files
from imagebeam.modules.metadata import (
    ASSET,
    FLATBUFFER_ASSET,
    append_to_flatbuffer,
    read_from_flatbuffer,
)
from imagebeam.samples import ARCHIVE, MODULE
from tests.beam_pipeline.jobs import errors, imagebeam, predictions
from tests.outputs.outputs import below

EARLIER = Path(__file__).with_name("earlier_version")
HERE = Path("/proc/self/cwd")
DONE = ["IMG_2003.jpg", "IMG_2005.jpg", "IMG_2006.jpg"]
BROKEN = "IMG_2004.jpg"
LEFT = ["IMG_2008.jpg", "IMG_2019.jpg"]

pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason="needs /proc")


@pytest.fixture(params=["parquet", "tfrecord"])
def output(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an output of the earlier version, with its images and its module in their places."""
    (tmp_path / "in").mkdir()
    for name in (*DONE, *LEFT):
        shutil.copy(next(ARCHIVE.rglob(name)), tmp_path / "in" / name)
    (tmp_path / "in" / BROKEN).write_bytes(b"broken")
    shutil.copytree(MODULE, tmp_path / "module")
    _put_back_origin(tmp_path / "module")
    shutil.copytree(EARLIER / request.param, tmp_path / request.param)
    monkeypatch.chdir(tmp_path)
    return HERE / str(request.param)


def _put_back_origin(module: Path) -> None:
    """Name the origin as the module did at that time: the outputs hold its digest."""
    old = ("python -m benchmarks.sample_data", "python -m samples")
    stated = module / ASSET
    stated.write_text(stated.read_text("utf-8").replace(*old), "utf-8")
    flatbuffer = module / FLATBUFFER_ASSET
    content = flatbuffer.read_bytes()
    metadata = read_from_flatbuffer(content, "the module")
    metadata = replace(metadata, provenance={**metadata.provenance, "made_by": old[1]})
    flatbuffer.write_bytes(append_to_flatbuffer(appended_files.without(content), metadata))


def label(output: Path, *options: object) -> int:
    return imagebeam(
        *("label", HERE / "in", "--output", output, "--module", HERE / "module"),
        *("--format", output.name, *options),
    )


def uris(*names: str) -> list[str]:
    return sorted(f"{HERE}/in/{name}" for name in names)


def test_an_output_of_an_earlier_version_is_read(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("verify", output) == 0
    assert capsys.readouterr().out == f"{output}: no problems found\n"
    assert imagebeam("status", output, "--json") == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert (summary["labelled"], summary["failed"]) == (3, 1)
    assert imagebeam("report", output, "--no-thumbnails") == 0
    assert capsys.readouterr().out.startswith("3 labelled, 1 failed\n")


def test_an_output_of_an_earlier_version_is_resumed(output: Path) -> None:
    before = below(output / "predictions") | below(output / "errors")
    assert label(output) == 0
    after = below(output / "predictions") | below(output / "errors")
    assert before.items() <= after.items()
    summary = json.loads((output / "summary.json").read_text())
    counts = ("requested", "labelled", "failed", "already_done", "already_labelled")
    assert [summary[name] for name in counts] == [6, 2, 0, 4, 3]
    assert [row["uri"] for row in errors(output)] == uris(BROKEN)
    if output.name == "parquet":
        assert [row["uri"] for row in predictions(output)] == uris(*DONE, *LEFT)
    assert imagebeam("verify", output) == 0


def test_an_output_of_an_earlier_version_is_compacted(output: Path) -> None:
    assert imagebeam("compact", output) == 0
    assert len(list((output / "predictions").iterdir())) == 1
    assert imagebeam("verify", output) == 0
    assert label(output) == 0
    assert imagebeam("verify", output) == 0


def test_failed_images_of_an_earlier_version_are_repeated(output: Path) -> None:
    shutil.copy(next(ARCHIVE.rglob(DONE[0])), output.parent / "in" / BROKEN)
    assert label(output, "--retry-failed", "unsupported_format") == 0
    assert not (output / "errors").exists() or not list((output / "errors").iterdir())
    assert imagebeam("verify", output) == 0


def test_another_job_in_an_output_of_an_earlier_version_is_refused(output: Path) -> None:
    assert label(output, "--emit", "logits") == 2
    assert imagebeam("verify", output) == 0
