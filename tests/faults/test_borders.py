"""An exception that no code expects becomes a row or a message at each border, in each runner."""

import tarfile
from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, predictions
from tests.engines.tools import tool
from tests.faults.decoding import bmp
from tests.faults.jobs import Job

_DEFECT = "a defect of imagebeam, not of the input: "
_MESSAGES = {
    "unheard-of": f"{_DEFECT}sitecustomize.UnheardOfError: ",
    "no-memory": "no memory was left",
    "too-deep": f"{_DEFECT}RecursionError: ",
}
"""The start of a row's message, by the start of the file's name."""


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
    bmp(folder / "decoded.bmp", 7, "raise")
    codes = {"decoded.bmp": "corrupt"}
    for name in _MESSAGES:
        (folder / f"{name}.jpg").write_bytes(Path(good[0]).read_bytes())
        with tarfile.open(tmp_path / f"{name}.tar", "w") as container:
            container.add(good[0], "member.jpg")
        codes |= {f"{name}.jpg": "fetch_defect", f"{name}.tar": "listing_defect"}
    (tmp_path / "list.txt").write_text("".join(f"{name}.tar\n" for name in _MESSAGES))
    inputs: list[Path] = [folder, tmp_path / "list.txt"]
    for name in _MESSAGES:
        other = tmp_path / f"with-{name}"
        good += archive(other, 1)
        (other / name).mkdir()
        inputs.append(other)
        codes[name] = "listing_defect"
    code, stderr = Job(*inputs, "--output", output, "--module", "demo", *_options(runner)).finish()
    assert code == 0, stderr
    assert "Traceback" not in stderr
    assert [row["uri"] for row in predictions(output)] == sorted(good)
    seen = {Path(row["uri"]).name: (row["code"], row["message"]) for row in errors(output)}
    assert {name: code for name, (code, _) in seen.items()} == codes
    assert seen.pop("decoded.bmp")[1] == "RuntimeError: a decoder's own error"
    for name, (_, message) in seen.items():
        assert message.startswith(_MESSAGES[Path(name).stem])
    assert verify(output) == []


@pytest.mark.parametrize(
    "name",
    [
        *("unheard-of", "unheard-of.csv", "unheard-of.parquet", "unheard-of.tar", "unheard-of.zip"),
        *("no-memory.csv", "no-memory.tar", "too-deep", "too-deep.jsonl"),
    ],
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
    assert _MESSAGES[name.partition(".")[0]] in stderr


def test_debug_raises_unexpected_errors(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 1)
    (tmp_path / "in" / "unheard-of.jpg").write_bytes(Path(names[0]).read_bytes())
    job = Job(tmp_path / "in", "--output", tmp_path / "out", "--module", "demo", "--debug")
    code, stderr = job.finish()
    assert code == 3
    assert "RuntimeError: a defect of imagebeam, not of the input: sitecustomize.Unheard" in stderr
