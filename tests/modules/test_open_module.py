import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.modules.engines import load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.open_module import compile_module, open_module
from tests.modules.flatbuffers import echo
from tests.modules.saved_models import SIZE, mean_colours, quantops_network, write_tf1, write_tf2

_ROOT = Path(__file__).parents[2]
_PIXELS = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def _quantops(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": quantops_network(images)["logits"]}


def _singular_values(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": tf.linalg.svd(images[..., 0], compute_uv=False)}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def flatbuffer(tmp_path: Path) -> Path:
    (tmp_path / "module.tflite").write_bytes(echo())
    return tmp_path / "module.tflite"


def test_a_flatbuffer_is_opened_unchanged(flatbuffer: Path, cache: Path) -> None:
    module = open_module(str(flatbuffer), cache=cache)
    assert (module.engine, module.path, module.source) == ("litert", flatbuffer, flatbuffer)
    assert sorted(path.name for path in cache.iterdir()) == ["tried"]


def test_the_tensorflow_engine_refuses_a_flatbuffer(flatbuffer: Path, cache: Path) -> None:
    with pytest.raises(ModuleError, match=r"cannot run\. Use --engine litert"):
        open_module(str(flatbuffer), "tensorflow", cache)


def test_an_unknown_engine_is_refused(flatbuffer: Path, cache: Path) -> None:
    with pytest.raises(ModuleError, match=r"'tflite': no such engine\. Choose one of auto, litert"):
        open_module(str(flatbuffer), "tflite", cache)


def test_a_pinned_flatbuffer_is_verified(flatbuffer: Path, cache: Path) -> None:
    module = open_module(str(flatbuffer), cache=cache)
    assert open_module(f"{flatbuffer}@{module.digest}", cache=cache) == module
    flatbuffer.write_bytes(append_to_flatbuffer(echo(), Metadata()))
    with pytest.raises(ModuleError, match="as pinned"):
        open_module(f"{flatbuffer}@{module.digest}", cache=cache)


@pytest.mark.parametrize(("width", "first"), [(1001, "background"), (1000, None)])
def test_1001_classes_without_names_are_those_of_imagenet(
    tmp_path: Path, cache: Path, width: int, first: str | None
) -> None:
    path = tmp_path / "module.tflite"
    path.write_bytes(echo((3, 1, width, 3), ((9, width),)))
    names = open_module(str(path), cache=cache).info.class_names
    assert (names and names[0]) == first


@pytest.fixture(scope="module")
def quantops_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("quantops") / "module"
    return write_tf1(directory, {"image_classification": _quantops})


@pytest.fixture(scope="module")
def quantops_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that tests share, because compiling starts a process."""
    return tmp_path_factory.mktemp("cache", numbered=True) / "cache"


def test_a_saved_model_is_compiled_once(
    tmp_path: Path, quantops_module: Path, quantops_cache: Path
) -> None:
    module = open_module(str(quantops_module), cache=quantops_cache)
    assert (module.engine, module.source) == ("litert", quantops_module)
    assert module.path.is_relative_to(quantops_cache / "compiled")
    made = module.path.stat().st_mtime_ns
    copy = shutil.copytree(quantops_module, tmp_path / "copy")
    again = open_module(f"{copy}@{module.digest}", cache=quantops_cache)
    assert (again.path, again.path.stat().st_mtime_ns) == (module.path, made)
    answers = load_engine(module.engine, module.path, module.info).run(_PIXELS)
    expected = quantops_network(tf.constant(_PIXELS / np.float32(255)))["logits"].numpy()
    assert answers.logits is not None
    np.testing.assert_allclose(answers.logits, expected, rtol=0, atol=0.08)


def test_a_flatbuffer_is_written_whole(
    tmp_path: Path, quantops_module: Path, quantops_cache: Path
) -> None:
    output = tmp_path / "module.tflite"
    output.write_bytes(b"older")
    compile_module(str(quantops_module), output, quantops_cache)
    assert open_module(str(output)).info.quantops
    with pytest.raises(ModuleError, match=r"No such file or directory\. Give a file in a writable"):
        compile_module(str(quantops_module), tmp_path / "nowhere" / "m.tflite", quantops_cache)
    with pytest.raises(ModuleError, match="already a flatbuffer"):
        compile_module(str(output), tmp_path / "other.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["module.tflite"]


def test_a_module_that_litert_cannot_run_uses_tensorflow(tmp_path: Path, cache: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _singular_values})
    module = open_module(str(directory), cache=cache)
    assert (module.engine, module.path) == ("tensorflow", directory)
    assert "Svd" in module.engine_reason
    with pytest.raises(ModuleError, match=r"LiteRT cannot hold it .*Use --engine tensorflow"):
        open_module(str(directory), "litert", cache)
    with pytest.raises(ModuleError, match="Use --engine tensorflow"):
        compile_module(str(directory), tmp_path / "module.tflite", cache)
    answers = load_engine(module.engine, module.path, module.info).run(_PIXELS)
    expected = np.linalg.svd(_PIXELS[..., 0] / 255, compute_uv=False)
    assert answers.logits is not None
    np.testing.assert_allclose(answers.logits, expected, rtol=1e-4, atol=1e-5)


def test_the_tensorflow_engine_can_be_chosen(tmp_path: Path, cache: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": mean_colours(images)}

    directory = write_tf2(tmp_path / "module", {"serving_default": classify})
    (directory / "assets.extra").mkdir()
    (directory / "assets.extra" / "module.tflite").write_bytes(echo())
    module = open_module(str(directory), "tensorflow", cache)
    assert (module.engine, module.path, module.info.class_count) == ("tensorflow", directory, 5)
    assert not (cache / "compiled").exists()
    [described] = (cache / "described").rglob("result.json")
    read_at = described.stat().st_mtime_ns
    assert open_module(str(directory), "tensorflow", cache) == module
    assert described.stat().st_mtime_ns == read_at


@pytest.mark.slow
def test_a_directory_that_is_not_a_module_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "saved_model.pb").write_bytes(b"<html>")
    with pytest.raises(ModuleError, match=r"its saved_model\.pb cannot be read"):
        open_module(str(tmp_path / "module"), cache=cache)


_OPEN = """
import sys
from pathlib import Path
from imagebeam.modules.open_module import open_module
print(open_module(sys.argv[1], cache=Path(sys.argv[2])).path)
"""


@pytest.mark.slow
def test_two_processes_open_the_reference_module_concurrently(reference: Path, cache: Path) -> None:
    command = [sys.executable, "-c", _OPEN, str(reference / "module"), str(cache)]
    openers = [
        subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    printed = [opener.communicate()[0] for opener in openers]
    assert [opener.returncode for opener in openers] == [0, 0]
    assert printed[0] == printed[1]
    assert len(list((cache / "compiled").glob("*/files/module.tflite"))) == 1
