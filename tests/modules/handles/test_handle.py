import tarfile
import zipfile
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.handle import Handle, resolve
from tests.modules.flatbuffers import echo

_DIGITS = "0123456789abcdef" * 4


def test_a_handle_has_no_pin() -> None:
    assert Handle.parse("a@b/c.tflite") == Handle("a@b/c.tflite", None)


def test_a_pin_is_split_off() -> None:
    pinned = f"https://tfhub.dev/x/1@sha256:{_DIGITS}"
    assert Handle.parse(pinned) == Handle("https://tfhub.dev/x/1", f"sha256:{_DIGITS}")


@pytest.mark.parametrize("digits", ["", _DIGITS[1:], _DIGITS + "0", _DIGITS.upper(), "g" * 64])
def test_a_malformed_pin_is_refused(digits: str) -> None:
    with pytest.raises(ModuleError, match="64 lower-case hexadecimal digits"):
        Handle.parse(f"module@sha256:{digits}")


@pytest.mark.parametrize("handle", ["", f"@sha256:{_DIGITS}"])
def test_an_empty_handle_is_refused(handle: str) -> None:
    with pytest.raises(ModuleError, match="an empty handle"):
        Handle.parse(handle)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def _saved_model(directory: Path) -> Path:
    directory.mkdir()
    (directory / "saved_model.pb").write_bytes(b"graph")
    return directory


def test_a_directory_and_a_flatbuffer_stand_for_themselves(tmp_path: Path, cache: Cache) -> None:
    module = _saved_model(tmp_path / "module")
    flatbuffer = tmp_path / "module.tflite"
    flatbuffer.write_bytes(echo())
    assert [resolve(str(path), cache).path for path in (module, flatbuffer)] == [module, flatbuffer]


@pytest.mark.parametrize("inside", [".", "folder"])
@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz"])
def test_an_archive_is_unpacked(tmp_path: Path, cache: Cache, inside: str, suffix: str) -> None:
    archive = tmp_path / f"module{suffix}"
    with tarfile.open(archive, "w:gz") as file:
        file.add(_saved_model(tmp_path / "module"), inside)
    root = resolve(str(archive), cache).path
    assert (root / "saved_model.pb").read_bytes() == b"graph"
    assert resolve(str(archive), cache).path == root


def test_a_home_directory_is_expanded(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    module = _saved_model(tmp_path / "module")
    assert resolve("~/module", cache).path == module


def test_a_missing_path_is_refused(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(ModuleError, match="there is no such module"):
        resolve(str(tmp_path / "module"), cache)


def test_a_directory_without_a_graph_is_refused(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(ModuleError, match=r"not a module, it holds no saved_model\.pb"):
        resolve(str(tmp_path), cache)


def test_another_file_is_refused(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ModuleError, match="not a directory, "):
        resolve(str(tmp_path / "model.bin"), cache)


@pytest.mark.parametrize(
    ("suffix", "fix"),
    [
        (".keras", "Export it: "),
        (".h5", "Export it: "),
        (".pb", "Give the folder of a SavedModel"),
        (".zip", "Unpack it"),
        (".pth", "Export the network with torch.onnx.export"),
    ],
)
def test_other_formats_name_a_conversion(
    tmp_path: Path, cache: Cache, suffix: str, fix: str
) -> None:
    (tmp_path / f"model{suffix}").write_bytes(b"")
    with pytest.raises(ModuleError, match=rf"{suffix} is not a format of TF-Hub\. {fix}"):
        resolve(str(tmp_path / f"model{suffix}"), cache)


def _bundle(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, echo())
    return path


def test_a_bundle_stands_for_its_only_flatbuffer(tmp_path: Path, cache: Cache) -> None:
    bundle = _bundle(tmp_path / "model.task", "classifier.tflite", "labels.txt")
    assert resolve(str(bundle), cache).path.read_bytes() == echo()


@pytest.mark.parametrize(
    ("names", "listed"), [((), "none"), (("a.tflite", "b/c.tflite"), r"a\.tflite, b/c\.tflite")]
)
def test_a_bundle_without_one_flatbuffer_is_refused(
    tmp_path: Path, cache: Cache, names: tuple[str, ...], listed: str
) -> None:
    bundle = _bundle(tmp_path / "model.task", *names)
    with pytest.raises(ModuleError, match=f"these .tflite files: {listed}. Unzip it"):
        resolve(str(bundle), cache)
    bundle.write_bytes(b"PK rubbish")
    with pytest.raises(ModuleError, match="not a valid bundle"):
        resolve(str(bundle), cache)


@pytest.mark.parametrize(
    ("files", "listed", "given"),
    [
        (
            ("labels.txt", "model_unquant.tflite"),
            "model_unquant.tflite",
            "model_unquant.tflite with --labels {}/labels.txt",
        ),
        (("labels.txt", "model.savedmodel/saved_model.pb"), "model.savedmodel", None),
        (("a.onnx", "b.tflite"), "b.tflite, a.onnx", "b.tflite"),
    ],
)
def test_the_module_in_a_folder_is_named(
    tmp_path: Path, cache: Cache, files: tuple[str, ...], listed: str, given: str | None
) -> None:
    folder = tmp_path / "exported"
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(echo())
    words = (given or f"{listed} with --labels {{}}/labels.txt").format(folder)
    with pytest.raises(ModuleError) as caught:
        resolve(str(folder), cache)
    assert str(caught.value) == (
        f"{str(folder)!r}: holds no saved_model.pb, but {listed}. Give {folder}/{words}."
    )
