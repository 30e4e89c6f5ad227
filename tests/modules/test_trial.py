"""Test that a file that ends or hangs its library is refused, and costs no more than a process."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module
from imagebeam.modules.trial import try_file
from tests.modules.engines.test_onnx import write_classifier
from tests.modules.flatbuffers import echo


@pytest.fixture(params=["module.tflite", "module.onnx"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a sound file."""
    path = tmp_path / str(request.param)
    if path.suffix == ".onnx":
        return write_classifier(path)
    path.write_bytes(echo())
    return path


def crash(*_: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(*_: str) -> None:
    time.sleep(3600)


def lack_memory(*_: str) -> None:
    raise MemoryError


def _refusal(path: Path, name: str, seconds: float) -> str:
    cache = Cache(path.parent / "cache")
    with pytest.raises(ModuleError) as caught:
        try_file(path, cache, NO_OPTIONS, seconds, f"{__name__}:{name}")
    return str(caught.value)


def test_a_file_that_crashes_or_hangs_is_refused(path: Path) -> None:
    library = "ONNX Runtime" if path.suffix == ".onnx" else "LiteRT"
    end = "when it was tried in a process of its own, so the file is damaged or hostile"
    for name, seconds, reason in (
        ("crash", 60, "ended with signal Segmentation fault"),
        ("hang", 0.5, "did not finish within 0.5 s"),
        ("lack_memory", 60, "ended with exit code 1"),
    ):
        start = f"{str(path)!r}: {library} {reason} {end}"
        assert _refusal(path, name, seconds).startswith(start)


def test_a_file_that_ends_well_is_not_tried_again(path: Path) -> None:
    cache, crashing = Cache(path.parent / "cache"), f"{__name__}:crash"
    try_file(path, cache)
    try_file(path, cache, target=crashing)
    try_file(path, cache, ModuleOptions(value_range=(-1.0, 1.0)), target=crashing)
    # Another size, signature or output runs other code.
    [output] = ["out"] if path.suffix == ".onnx" else ["output"]
    with pytest.raises(ModuleError):
        try_file(path, cache, ModuleOptions(outputs={output: "features"}), target=crashing)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModuleError):
        try_file(path, cache, target=crashing)


def test_what_is_no_module_is_read_in_the_other_process_only(path: Path) -> None:
    path.write_bytes(b"no module")
    reason = "not an ONNX file that can be read" if path.suffix == ".onnx" else "not a flatbuffer"
    with pytest.raises(ModuleError, match=f"^{re.escape(repr(str(path)))}: {reason}"):
        try_file(path, Cache(path.parent / "cache"))


def test_the_options_of_the_user_hold_in_the_trial(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx", ("N", 3, "H", "W"))
    cache = Cache(tmp_path / "cache")
    try_file(path, cache, ModuleOptions(image_size=(8, 8)))
    with pytest.raises(ModuleError, match="takes pictures of any size, and states none"):
        try_file(path, cache)


def test_a_file_that_takes_all_memory_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    model = onnx.load(path)
    [last] = (node for node in model.graph.node if node.output[0] == "out")
    last.output[0] = "small"
    length = numpy_helper.from_array(np.array([5_000_000_000]), "length")
    model.graph.initializer.append(length)
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["length"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("Add", ["small", "zero"], ["out"]),
        ]
    )
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModuleError, match=r"(?i)memory|alloc|exit code 1|signal"):
        open_module(str(path), cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_does_not_matter(path: Path) -> None:
    (path.parent / "cache").write_bytes(b"a file")
    try_file(path, Cache(path.parent / "cache"))
