"""Run the commands of the pages on modules and training, with a mirror of the catalogue."""

import shutil
import tarfile
from pathlib import Path

import pytest

from imagebeam.samples import ARCHIVE, TRUTH
from tests.beam_pipeline.jobs import imagebeam
from tests.docs.pages import run_page
from tests.modules.flatbuffers import echo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_CHECKPOINT = "mobilenet_v1_0.5_160_quant.ckpt"


@pytest.fixture
def mirror(reference: Path, tmp_path: Path) -> dict[str, str]:
    """Return the variables with which the command finds two archives in a folder."""
    folder = tmp_path / "mirror" / "mobilenet_v1_2018_08_02"
    folder.mkdir(parents=True)
    for name in ("mobilenet_v1_0.5_160_quant", "mobilenet_v1_0.25_128_quant"):
        with tarfile.open(folder / f"{name}.tgz", "w:gz") as archive:
            archive.add(reference / f"{name}.tflite", f"{name}.tflite")
            for path in (reference / "checkpoint").glob(f"{name}.ckpt*"):
                archive.add(path, path.name)
    return {
        "IMAGEBEAM_CATALOGUE": str(tmp_path / "mirror"),
        "IMAGEBEAM_MODULE": "",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def _classes(folder: Path, labels: tuple[str, ...]) -> None:
    """Sort pictures of the sample archive into one folder per class."""
    for line in TRUTH.read_text(encoding="utf-8").splitlines()[1:]:
        name, _, label = line.rpartition(",")
        if label in labels and "!" not in name:
            (folder / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(TRUTH.parent / name.strip('"'), folder / label)


def test_the_commands_of_the_modules_page_run(
    reference: Path, tmp_path: Path, mirror: dict[str, str]
) -> None:
    pictures = tmp_path / "my-pictures" / "Egyptian cat"
    pictures.mkdir(parents=True)
    for path in (reference / "photos").glob("cat*"):
        shutil.copy(path, pictures)
    (tmp_path / "photos").mkdir()
    for name in ("cat", "dog"):
        shutil.copy(reference / "photos" / "cat_720p.jpg", tmp_path / "photos" / f"{name}.jpg")
    (tmp_path / "module.tflite").write_bytes(echo())
    (tmp_path / "labels.txt").write_text("".join(f"class {number}\n" for number in range(12)))
    checkpoint = reference / "checkpoint" / _CHECKPOINT
    replaced = {
        "mobilenet_v1_100_224": "mobilenet_v1_025_128",
        # The digest of the mirror's archive is not the published one: its checkpoint is not kept.
        "--checkpoint mobilenet_v1_050_160": f"--checkpoint {checkpoint}",
    }
    run_page("modules.md", tmp_path, replaced, mirror)


def test_the_commands_of_the_training_page_run(
    reference: Path, tmp_path: Path, mirror: dict[str, str]
) -> None:
    for name in ("my-pictures", "other-pictures"):
        _classes(tmp_path / name, ("apple", "boat"))
    shutil.copytree(ARCHIVE / "kitchen", tmp_path / "photos")
    # The digest of the mirror's archive is not the published one, so its checkpoint is not kept.
    checkpoint = reference / "checkpoint" / _CHECKPOINT
    whole = "--output my-module/ --from"
    replaced = {f"{whole} mobilenet_v1_050_160": f"{whole} {checkpoint} --epochs 2"}
    run_page("training.md", tmp_path, replaced, mirror)


def test_a_checkpoint_of_an_archive_with_another_digest_is_not_trained(
    tmp_path: Path,
    mirror: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in mirror.items():
        monkeypatch.setenv(name, value)
    _classes(tmp_path / "pictures", ("apple", "boat"))
    command = ("module", "train", tmp_path / "pictures", "--output", tmp_path / "module")
    assert imagebeam(*command, "--from", "mobilenet_v1_050_160") == 2
    assert "the fetched archive is not the published one" in capsys.readouterr().err
