from pathlib import Path

import pytest

from imagebeam.modules import ModuleError, open_module
from imagebeam.modules.annotate import annotate
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from tests.beam_pipeline.jobs import imagebeam
from tests.modules.flatbuffers import echo

_NAMES = tuple("abcdefghijkl")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.tflite"
    path.write_bytes(echo())
    return path


def test_names_and_range_are_stored_in_the_file(plain: Path, tmp_path: Path) -> None:
    annotate(plain, tmp_path / "new.tflite", _NAMES, ModuleOptions(value_range=(-1.0, 1.0)))
    info = open_module(str(tmp_path / "new.tflite")).info
    assert (info.value_range, info.range_origin) == ((-1.0, 1.0), "stated")
    assert info.class_names == _NAMES


def test_earlier_statements_are_kept(plain: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tflite", tmp_path / "second.tflite"
    annotate(plain, first, _NAMES, NO_OPTIONS)
    annotate(first, second, None, ModuleOptions(value_range=(0.0, 255.0)))
    info = open_module(str(second)).info
    assert (info.value_range, info.class_names) == ((0.0, 255.0), _NAMES)
    expected = Metadata(image_size=(2, 2), value_range=(0.0, 255.0), classes=_NAMES)
    # The first archive is replaced, not hidden behind a second one.
    assert second.read_bytes() == append_to_flatbuffer(echo(), expected)


def test_invalid_statements_are_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="No such file or directory"):
        annotate(plain, tmp_path / "gone" / "new.tflite", _NAMES, NO_OPTIONS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.tflite"]


def test_the_command_states_both_digests(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("\n".join(_NAMES))
    command = ("module", "annotate", plain, "--output", tmp_path / "new.tflite")
    assert imagebeam(*command, "--classes", tmp_path / "names.txt", "--input-range", 0, 255) == 0
    shown = capsys.readouterr().out
    assert f"digest before  {open_module(str(plain)).digest}" in shown
    assert f"digest now     {open_module(str(tmp_path / 'new.tflite')).digest}" in shown
    (tmp_path / "names.txt").write_text("a\nb\n")
    assert imagebeam(*command, "--classes", tmp_path / "names.txt") == 2
    assert "2 class names, but the module has 12 classes" in capsys.readouterr().err
