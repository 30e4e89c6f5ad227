"""Test the features and the messages of an installation without TensorFlow."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from imagebeam.extras import install_command
from tests.modules.blocked import run_without_tensorflow
from tests.modules.flatbuffers import echo

_RUN = """
import numpy
from pathlib import Path
from imagebeam.modules.engines import load_engine
from imagebeam.modules.open_module import open_module

module = open_module(sys.argv[1], cache=Path(sys.argv[2]))
engine = load_engine(module.engine, module.path, module.info)
size = module.info.image_size
pixels = numpy.full((3, *size, 3), 51, numpy.uint8)
print(module.engine, engine.run(pixels).logits[:, 0].tolist(), "tensorflow" in sys.modules)
"""

_REFUSED = """
from pathlib import Path
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import open_module

try:
    open_module(sys.argv[1], sys.argv[3], Path(sys.argv[2]))
except ModuleError as error:
    print(error)
"""

_FIFTH = float(np.float32(0.2))


def test_a_flatbuffer_runs(tmp_path: Path) -> None:
    (tmp_path / "module.tflite").write_bytes(echo())
    printed = run_without_tensorflow(_RUN, str(tmp_path / "module.tflite"), str(tmp_path / "cache"))
    assert printed == f"litert {[_FIFTH] * 3} False\n"


def _with_flatbuffer(directory: Path) -> Path:
    (directory / "assets.extra").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "assets.extra" / "module.tflite").write_bytes(echo())
    return directory


def test_a_module_that_ships_its_flatbuffer_runs(tmp_path: Path) -> None:
    module = _with_flatbuffer(tmp_path / "module")
    printed = run_without_tensorflow(_RUN, str(module), str(tmp_path / "cache"))
    assert printed == f"litert {[_FIFTH] * 3} False\n"


def test_an_archive_of_a_module_with_a_flatbuffer_runs(tmp_path: Path) -> None:
    module = _with_flatbuffer(tmp_path / "module")
    archive = shutil.make_archive(str(tmp_path / "archive"), "gztar", module)
    printed = run_without_tensorflow(_RUN, archive, str(tmp_path / "cache"))
    assert printed == f"litert {[_FIFTH] * 3} False\n"


def test_a_url_in_the_cache_of_tensorflow_hub_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://tfhub.dev/google/imagenet/mobilenet_v1_050_160/quantops/classification/1"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    _with_flatbuffer(tmp_path / "hub" / hashlib.sha1(url.encode()).hexdigest())
    printed = run_without_tensorflow(_RUN, url, str(tmp_path / "cache"))
    assert printed == f"litert {[_FIFTH] * 3} False\n"


@pytest.mark.parametrize(
    ("engine", "purpose"),
    [
        ("auto", "compiling a module that carries no flatbuffer"),
        ("litert", "compiling a module that carries no flatbuffer"),
        ("tensorflow", "the engine 'tensorflow'"),
    ],
)
def test_a_bare_saved_model_names_the_install_command(
    tmp_path: Path, engine: str, purpose: str
) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "saved_model.pb").write_bytes(b"graph")
    printed = run_without_tensorflow(_REFUSED, str(module), str(tmp_path / "cache"), engine)
    assert printed == (
        f"{str(module)!r}: {purpose} needs TensorFlow, which is not installed. "
        f"Run: {install_command('tensorflow')}\n"
    )


def test_a_url_that_is_not_cached_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    url = "https://tfhub.dev/x/1"
    printed = run_without_tensorflow(_REFUSED, url, str(tmp_path / "cache"), "auto")
    assert printed == (
        f"{url!r}: fetching a TF-Hub module needs TensorFlow, which is not installed. "
        f"Run: {install_command('tensorflow')}\n"
    )
