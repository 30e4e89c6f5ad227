"""Test the command `compact` between runs of a job."""

from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, files, imagebeam, predictions


def _parts(output: Path) -> list[int]:
    return [len(list((output / name).iterdir())) for name in ("predictions", "errors")]


@pytest.mark.parametrize("half", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_job_resumes_in_a_compacted_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], half: bool
) -> None:
    names = archive(tmp_path / "in", 30, rubbish=4)
    lost, out, whole = Path(names[3]), tmp_path / "out", tmp_path / "whole"
    manifest = tmp_path / "list.txt"
    manifest.write_text("\n".join(names))
    assert imagebeam("label", tmp_path / "in", "--output", whole) == 0
    picture = lost.read_bytes()
    lost.unlink()
    again = ("label", manifest, "--output", out, "--images-per-shard", 3)
    assert imagebeam(*again, "--limit", 20) == 0
    if half:
        # A stopped job writes no summary.
        (out / "summary.json").unlink()
    capfd.readouterr()
    assert imagebeam("compact", out) == 0
    captured = capfd.readouterr()
    assert ("The job is not complete" in captured.out) is half
    assert captured.err.startswith("imagebeam: joining ")
    assert _parts(out) == [1, 1]
    assert imagebeam(*again) == 0
    assert _parts(out)[0] > 1
    assert verify(out) == []
    lost.write_bytes(picture)
    assert imagebeam("compact", out) == 0
    assert imagebeam(*again, "--retry-failed") == 0
    assert verify(out) == []
    assert imagebeam("compact", out) == 0
    assert _parts(out) == [1, 1]
    assert predictions(out) == predictions(whole)
    assert errors(out) == errors(whole)
    before = files(out)
    assert imagebeam(*again) == 0
    assert files(out) == before
    assert verify(out) == []


def test_the_joined_files_are_listed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path / "in", 6, rubbish=1)
    assert (
        imagebeam("label", tmp_path / "in", "--output", tmp_path / "o", "--images-per-shard", 2)
        == 0
    )
    capfd.readouterr()
    assert imagebeam("compact", tmp_path / "o") == 0
    captured = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert [(line[0], *line[1:3], line[-1]) for line in captured[1:]] == [
        ("predictions", "3", "1", "6"),
        ("errors", "1", "1", "0"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none",), "none: not an output of imagebeam (there is no such folder). "),
        ((".",), ": not an output of imagebeam (it holds no job/identity.json). "),
        ((".", "--part-bytes", 0), "--part-bytes 0: must be at least 1."),
        ((".", "--runner=FlinkRunner"), "--runner=FlinkRunner: no such option"),
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert imagebeam("compact", *arguments) == 2
    captured = capfd.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
