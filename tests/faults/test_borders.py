"""An exception that no code expects becomes a row or a message at each border, in each runner."""

import tarfile
from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, predictions
from tests.engines.tools import tool
from tests.faults.decoding import bmp
from tests.faults.jobs import Job

_DEFECT = "a defect of imagebeam, not of the input: sitecustomize.UnheardOfError: "


def _options(runner: str) -> tuple[str, ...]:
    if runner == "prism":
        return ("--runner=PrismRunner", f"--prism_location={tool('bin/prism')}")
    return (f"--direct_running_mode={runner}", "--direct_num_workers=2")


@pytest.mark.parametrize(
    "runner",
    [
        "multi_threading",
        pytest.param("multi_processing", marks=pytest.mark.slow),
        pytest.param("prism", marks=pytest.mark.slow),
    ],
)
def test_each_image_container_and_folder_has_a_row(tmp_path: Path, runner: str) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    good = archive(folder, 4)
    (folder / "unheard-of.jpg").write_bytes(Path(good[0]).read_bytes())
    bmp(folder / "decoded.bmp", 7, "raise")
    with tarfile.open(tmp_path / "unheard-of.tar", "w") as container:
        container.add(good[0], "member.jpg")
    (tmp_path / "list.txt").write_text("unheard-of.tar\n")
    good += archive(tmp_path / "other", 1)
    (tmp_path / "other" / "unheard-of").mkdir()
    inputs = (folder, tmp_path / "other", tmp_path / "list.txt")
    code, stderr = Job(*inputs, "--output", output, "--module", "demo", *_options(runner)).finish()
    assert code == 0, stderr
    assert "Traceback" not in stderr
    assert [row["uri"] for row in predictions(output)] == good
    seen = {Path(row["uri"]).name: (row["code"], row["message"]) for row in errors(output)}
    assert seen.pop("decoded.bmp") == ("corrupt", "RuntimeError: a decoder's own error")
    assert {name: code for name, (code, _) in seen.items()} == {
        "other": "listing_defect",
        "unheard-of.jpg": "fetch_defect",
        "unheard-of.tar": "listing_defect",
    }
    assert all(message.startswith(_DEFECT) for _, message in seen.values())
    assert verify(output) == []


@pytest.mark.parametrize(
    "name", ["unheard-of", "unheard-of.csv", "unheard-of.parquet", "unheard-of.tar"]
)
def test_a_named_input_ends_with_a_message(tmp_path: Path, name: str) -> None:
    if "." in name:
        (tmp_path / name).write_text("uri\na.jpg\n")
    else:
        (tmp_path / name).mkdir()
    job = Job(tmp_path / name, "--output", tmp_path / "out", "--module", "demo")
    code, stderr = job.finish()
    assert code == 2
    assert "Traceback" not in stderr
    assert stderr.startswith(f"imagebeam: error: {tmp_path / name}: ")
    assert _DEFECT in stderr
