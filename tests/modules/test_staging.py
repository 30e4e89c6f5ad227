import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import open_module
from imagebeam.modules.staging import packed, suffix, unpacked
from imagebeam.modules.types import TENSORFLOW, Module
from imagebeam.samples import MODULE


def _with_tensorflow(directory: Path) -> Module:
    return replace(open_module(str(MODULE)), engine=TENSORFLOW, path=directory)


def test_a_flatbuffer_is_staged_unchanged() -> None:
    module = open_module(str(MODULE))
    assert suffix(module) == ".tflite"
    assert packed(module) == module.path.read_bytes()
    with unpacked(module) as path:
        assert path == module.path


def test_a_directory_is_staged_as_an_archive_and_restored(tmp_path: Path) -> None:
    files = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "empty": b""}
    for name, content in files.items():
        path = tmp_path / "module" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    module = _with_tensorflow(tmp_path / "module")
    assert suffix(module) == ".tar.gz"
    archive = tmp_path / f"it{suffix(module)}"
    archive.write_bytes(packed(module))
    assert packed(module) == archive.read_bytes()
    with unpacked(replace(module, path=archive)) as path:
        arrived = {
            str(file.relative_to(path)): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file()
        }
    assert arrived == files
    assert not path.exists()


def test_a_worker_refuses_a_file_that_was_changed(tmp_path: Path) -> None:
    opened = open_module(str(MODULE))
    path = tmp_path / "module.tflite"
    path.write_bytes(packed(opened))
    digest = hashlib.sha256(packed(opened)).hexdigest()
    module = replace(opened, path=path, file_digest=digest)
    with unpacked(module) as copy:
        assert copy.read_bytes() == packed(opened)
    path.write_bytes(b"altered")
    with pytest.raises(ModuleError, match="was changed since the job started"), unpacked(module):
        pass
