import zipfile
from pathlib import Path

import pytest

from imagebeam.modules import training_pictures
from imagebeam.modules.annotate import annotate
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.tflite_metadata import stated_ranges
from imagebeam.modules.metadata import read_from_folder
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module
from tests.beam_pipeline.jobs import imagebeam
from tests.modules.flatbuffers import UINT8, Quantisation, echo

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
    # The first archive is replaced, not hidden behind a second one.
    with zipfile.ZipFile(second) as archive:
        assert archive.namelist() == ["module.json", "labels.txt"]
    assert stated_ranges(second.read_bytes(), "it") == ((0.0, 255.0),)


def test_other_files_in_the_archive_are_kept(plain: Path, tmp_path: Path) -> None:
    digests = training_pictures.content([training_pictures.digest(b"picture")])
    content = training_pictures.append_to_flatbuffer(plain.read_bytes(), digests)
    plain.write_bytes(content)
    with zipfile.ZipFile(plain, "a") as archive:
        archive.writestr("LICENCE", b"\xff free")
        archive.writestr("words.txt", "one\ntwo\n")
    first, second = tmp_path / "first.tflite", tmp_path / "second.tflite"
    annotate(plain, first, None, ModuleOptions(value_range=(-1.0, 1.0)))
    annotate(first, second, _NAMES, NO_OPTIONS)
    for path in (first, second):
        assert training_pictures.read(path) == {training_pictures.digest(b"picture")}
        with zipfile.ZipFile(path) as archive:
            assert archive.read("LICENCE") == b"\xff free"
    with zipfile.ZipFile(first) as archive:
        assert archive.read("words.txt") == b"one\ntwo\n"
    # The classes that are stated now may differ from those in the author's text file.
    with zipfile.ZipFile(second) as archive:
        assert "words.txt" not in archive.namelist()


def test_channels_kinds_and_values_of_each_channel_are_stored(plain: Path, tmp_path: Path) -> None:
    stated = ModuleOptions(
        mean=(1.0, 2.0, 3.0), std=(4.0,), channels="bgr", outputs={"output": "features"}
    )
    annotate(plain, tmp_path / "new.tflite", None, stated)
    module = open_module(str(tmp_path / "new.tflite"))
    assert module.info.channel_ranges == stated.ranges
    assert module.info.heads == {"features"}
    assert (module.info.channels, module.notes) == ("bgr", ())


def test_the_range_of_pixel_bytes_cannot_be_stored(tmp_path: Path) -> None:
    (tmp_path / "bytes.tflite").write_bytes(
        echo(dtype=UINT8, quantisation=Quantisation(1 / 128, 128))
    )
    stated = ModuleOptions(value_range=(0.0, 1.0))
    with pytest.raises(ModuleError, match="takes pixel bytes, whose range its quantisation states"):
        annotate(tmp_path / "bytes.tflite", tmp_path / "new.tflite", None, stated)


def test_the_range_of_an_unusual_quantisation_is_stored(tmp_path: Path) -> None:
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(echo(dtype=UINT8, quantisation=Quantisation(1.97 / 255, 120)))
    assert open_module(str(plain)).info.range_origin == "assumed"
    annotate(plain, tmp_path / "new.tflite", None, ModuleOptions(value_range=(-1.0, 1.0)))
    module = open_module(str(tmp_path / "new.tflite"))
    assert (module.info.value_range, module.info.range_origin) == ((-1.0, 1.0), "stated")
    assert module.notes == ()


def test_a_folder_is_copied_with_its_compiled_form(tmp_path: Path) -> None:
    module = tmp_path / "module"
    (module / "assets.extra").mkdir(parents=True)
    (module / "saved_model.pb").write_bytes(b"graph")
    (module / "assets.extra" / "module.tflite").write_bytes(echo())
    annotate(module, tmp_path / "new", _NAMES, ModuleOptions(value_range=(-1.0, 1.0)))
    metadata = read_from_folder(tmp_path / "new")
    assert (metadata.classes, metadata.value_range) == (_NAMES, (-1.0, 1.0))
    info = open_module(str(tmp_path / "new"), "litert").info
    assert (info.class_names, info.value_range) == (_NAMES, (-1.0, 1.0))
    assert (tmp_path / "new" / "saved_model.pb").read_bytes() == b"graph"
    with pytest.raises(ModuleError, match="exists already"):
        annotate(module, tmp_path / "new", None, NO_OPTIONS)
    # A compiled form cannot state other outputs than the graph.
    annotate(module, tmp_path / "other", None, ModuleOptions(outputs={"probs": "scores"}))
    assert read_from_folder(tmp_path / "other").kinds == {"probs": "scores"}
    assert not (tmp_path / "other" / "assets.extra" / "module.tflite").exists()


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


def test_a_pin_of_the_original_does_not_fit_the_copy(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = f"{plain}@{open_module(str(plain)).digest}"
    command = ("module", "annotate", pinned, "--output", tmp_path / "new.tflite")
    assert imagebeam(*command, "--input-range", 0, 255) == 0
    assert "The pin of the original does not fit the copy." in capsys.readouterr().out
    assert imagebeam("module", "annotate", plain, "--output", tmp_path / "new") == 2
    assert "the copy is a file that ends in .tflite" in capsys.readouterr().err
