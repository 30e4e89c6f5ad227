import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.beam_pipeline.colours import draw, write_module
from tests.beam_pipeline.jobs import COMMAND, imagebeam
from tests.modules.flatbuffers import echo


def test_answers_stand_side_by_side_for_each_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = draw(tmp_path / "red.png", 255, 0, 0)
    module = tmp_path / "module.tflite"
    module.write_bytes(echo((1, 1, 1, 3), ((1, 3),)))
    assert imagebeam("module", "try", module, picture) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        str(picture),
        "  litert, 0 to 1 (assumed)",
        # The softmax of (1, 0, 0).
        "    0.576  0",
        "    0.212  1",
        "    0.212  2",
    ]
    assert lines[5:7] == ["  litert, --input-range 0 255", "    1.000  0"]
    assert lines[9:11] == ["  litert, --input-range -1 1", "    0.787  0"]
    assert lines[13] == "  litert, --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375"
    assert lines[17] == "  litert, --mean 103.939,116.779,123.68 --std 1 --channels bgr"
    assert lines[-1].startswith("warning: nothing states the input range")


def test_a_sheet_shows_pictures_as_the_module_takes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [draw(tmp_path / "red.png", 255, 0, 0), draw(tmp_path / "blue.png", 0, 0, 255)]
    module = write_module(tmp_path / "module.tflite")
    command = ("module", "try", module, *pictures, "--output")
    assert imagebeam(*command, tmp_path / "sheet.png") == 0
    assert f"Sheet: {tmp_path}/sheet.png" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    colours = {tuple(colour) for colour in sheet.reshape(-1, 3).tolist()}
    assert {(255, 0, 0), (0, 0, 255)} <= colours
    assert imagebeam(*command, tmp_path / "sheet.gif") == 2
    assert imagebeam(*command, tmp_path / "gone" / "sheet.png") == 2


def test_features_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = draw(tmp_path / "red.png", 255, 0, 0)
    module = write_module(tmp_path / "module.tflite", classes=None)
    assert imagebeam("module", "try", module, picture) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:5] == ["    3 features", "    length 1", "    1 0 0"]


def test_a_picture_that_cannot_be_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = write_module(tmp_path / "module.tflite")
    assert imagebeam("module", "try", module, tmp_path / "gone.png") == 2
    assert "gone.png" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("action", [("try",), ("evaluate", "--engine", "tensorflow")])
def test_tensorflow_prints_nothing_of_its_own(tmp_path: Path, action: tuple[str, ...]) -> None:

    from tests.modules.saved_models import mean_colours, write_tf2  # needs TensorFlow

    module = write_tf2(tmp_path / "module", {"default": mean_colours})
    place = tmp_path / "pictures" / "0" / "red.png"
    place.parent.mkdir(parents=True)
    picture = draw(place, 255, 0, 0)
    what = picture if action == ("try",) else tmp_path / "pictures"
    command = (*COMMAND, "module", action[0], str(module), str(what), *action[1:])
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("imagebeam: ")]
    assert lines == []
