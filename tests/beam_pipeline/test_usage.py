"""Test wrong usage: exit code 2, nothing started, one message with value, reason and fix."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from imagebeam.extras import install_command
from imagebeam.samples import MODULE
from tests.beam_pipeline.colours import write_module
from tests.beam_pipeline.jobs import archive, imagebeam


def _refused(capfd: pytest.CaptureFixture[str], output: Path, *arguments: object) -> str:
    """Run a command that must be refused without any output; return the message."""
    assert imagebeam("label", *arguments, "--output", output) == 2
    assert not output.exists()
    captured = capfd.readouterr()
    assert captured.out == ""
    message = captured.err.strip()
    assert message.startswith("imagebeam: error: ")
    assert message.count("imagebeam: error:") == 1
    return message.removeprefix("imagebeam: error: ")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("missing", "no such file or folder. Check the spelling; put a glob in quotes."),
        ("*.jpg", "the glob matches no image. Check the spelling"),
        ("empty", "the folder holds no image. Check its name; pictures are known by"),
        ("columns.csv", "no column `uri`; it has 'path', 'label'. Name the column"),
        ("blank.txt", "the manifest has no entry; left out: 2 blank"),
        ("ftp://host/folder", "ftp:// cannot be read. Give a local name or one of"),
    ],
)
def test_an_input_that_cannot_be_listed_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    entry: str,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "columns.csv").write_text("path,label\na.jpg,1\n")
    (tmp_path / "blank.txt").write_text("\n\n")
    monkeypatch.chdir(tmp_path)
    captured = _refused(capfd, tmp_path / "out", entry)
    assert entry in captured
    assert message in captured


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--emit", "boxes"], "--emit boxes: 'boxes' must be one of labels, logits, features."),
        (["--emit", ""], "--emit : '' must be one of labels, logits, features."),
        (["--top-k", "0"], "--top-k 0: must be at least 1."),
        (["--images-per-shard", "-1"], "--images-per-shard -1: must be at least 1."),
        (["--max-failure-rate", "7.5"], "--max-failure-rate 7.5: give a share such as 0.05, or"),
        (
            ["--check-changed", "--keep", "version"],
            "--check-changed: adds a column 'version', which",
        ),
        (
            ["--digest", "sha256", "--keep", "id=sha256"],
            "--digest: adds a column 'sha256', which --keep names too. Give that one another name, "
            "such as --keep id=known_sha256.",
        ),
        (
            ["--final-url", "--keep", "final_url"],
            "--final-url: adds a column 'final_url', which",
        ),
        (
            ["--check-changed", "--format", "tfrecord"],
            "--check-changed: needs rows that can be deleted. Use --format parquet.",
        ),
        (["--retry-failed", "tired"], "--retry-failed tired: not an error code. Use any of"),
        (["--top_k=3"], "--top_k=3: no such option, here or in Beam. Did you mean `--top-k`?"),
        (
            ["--s3_session_token=abc"],
            "--s3_session_token: the secret would be visible in the process list",
        ),
        (["--module", "nowhere"], "nowhere"),
    ],
)
def test_an_invalid_option_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: Sequence[str], message: str
) -> None:
    archive(tmp_path / "in", 1)
    assert message in _refused(capfd, tmp_path / "out", tmp_path / "in", *options)


@pytest.mark.parametrize(("lines", "reason"), [(23, "23"), (25, "25")])
def test_labels_that_do_not_fit_the_module_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lines: int, reason: str
) -> None:
    archive(tmp_path / "in", 1)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"name {n}\n" for n in range(lines)))
    captured = _refused(capfd, tmp_path / "out", tmp_path / "in", "--labels", labels)
    assert str(labels) in captured
    assert reason in captured
    assert "24" in captured


def test_a_missing_model_output_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    module = write_module(tmp_path / "module.tflite")
    captured = _refused(
        capfd, tmp_path / "out", tmp_path / "in", "--module", module, "--emit", "labels,features"
    )
    assert captured == (
        f"--emit features: module {module} does not provide features: it has no features. "
        "It provides labels, logits."
    )


def test_an_output_that_cannot_be_written_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    (tmp_path / "file").touch()
    captured = _refused(capfd, tmp_path / "file" / "out", tmp_path / "in")
    assert "Not a directory. Choose an --output that can be written." in captured


def test_an_output_with_foreign_files_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    assert imagebeam("label", tmp_path / "in", "--output", tmp_path / "in") == 2
    assert (
        "was not created by imagebeam. Choose an --output folder that is new or empty."
        in capfd.readouterr().err
    )
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["even"]


def test_an_output_of_another_job_is_refused_with_the_difference_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    out = tmp_path / "out"
    again = ("label", tmp_path / "in", "--output", out)
    assert imagebeam(*again) == 0
    capfd.readouterr()
    assert imagebeam(*again, "--resize", "stretch", "--top-k", 2) == 2
    captured = capfd.readouterr().err
    assert "--resize crop, now stretch; --top-k 5, now 2" in captured
    assert "--overwrite" in captured
    assert imagebeam(*again, "--resize", "stretch", "--top-k", 2, "--overwrite") == 0


def test_a_job_that_needs_tensorflow_names_the_install_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "in", 1)
    bare = tmp_path / "module"
    bare.mkdir()
    (bare / "saved_model.pb").write_bytes((MODULE / "saved_model.pb").read_bytes())
    # An entry of None makes the import fail as if the package were not installed.
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
    captured = _refused(capfd, tmp_path / "out", tmp_path / "in", "--module", bare)
    assert install_command("tensorflow") in captured
