import shutil
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest_pins import verified_digest


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    directory = tmp_path / "module"
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.index").write_bytes(b"index")
    return directory


def test_a_copy_has_the_digest_of_the_module(tmp_path: Path, module: Path, cache: Cache) -> None:
    digest = verified_digest("it", module, None, cache)
    copy = shutil.copytree(module, tmp_path / "copy")
    assert verified_digest("it", copy, digest, cache) == digest


def test_tampering_is_refused_and_the_files_are_named(module: Path, cache: Cache) -> None:
    pin = verified_digest("it", module, None, cache)
    (module / "variables" / "variables.index").write_bytes(b"indeX")
    (module / "saved_model.pb").unlink()
    (module / "more").write_bytes(b"")
    with pytest.raises(ModuleError) as refused:
        verified_digest("it", module, pin, cache)
    message = str(refused.value)
    assert message.startswith("'it': its digest is sha256:")
    assert (
        f", not {pin} as pinned (added: more, missing: saved_model.pb, "
        "changed: variables/variables.index). " in message
    )


def test_many_differences_are_counted(module: Path, cache: Cache) -> None:
    pin = verified_digest("it", module, None, cache)
    for number in range(8):
        (module / f"new_{number}").write_bytes(b"")
    with pytest.raises(ModuleError, match=r"added: new_4 and 3 more\)"):
        verified_digest("it", module, pin, cache)


def test_without_a_known_listing_both_digests_are_reported(module: Path, cache: Cache) -> None:
    pin = "sha256:" + "0" * 64
    with pytest.raises(ModuleError, match=f"its digest is sha256:[0-9a-f]{{64}}, not {pin} as"):
        verified_digest("it", module, pin, cache)


def test_a_forged_listing_is_ignored(tmp_path: Path, module: Path, cache: Cache) -> None:
    pin = verified_digest("it", module, None, cache)
    kept = tmp_path / "cache" / "digests" / pin.removeprefix("sha256:")
    kept.write_bytes(b"0" * 64 + b"  innocent\n")
    (module / "more").write_bytes(b"")
    with pytest.raises(ModuleError) as refused:
        verified_digest("it", module, pin, cache)
    assert "innocent" not in str(refused.value)


def test_a_file_can_be_pinned(tmp_path: Path, cache: Cache) -> None:
    file = tmp_path / "module.tflite"
    file.write_bytes(b"abc")
    pin = verified_digest("it", file, None, cache)
    file.write_bytes(b"abd")
    with pytest.raises(ModuleError, match=f"not {pin} as pinned"):
        verified_digest("it", file, pin, cache)


def test_a_cache_that_cannot_be_written_is_not_an_error(tmp_path: Path, module: Path) -> None:
    (tmp_path / "file").write_text("")
    unusable = Cache(tmp_path / "file" / "cache")
    digest = verified_digest("it", module, None, unusable)
    assert verified_digest("it", module, digest, unusable) == digest
    with pytest.raises(ModuleError, match="as pinned"):
        verified_digest("it", module, "sha256:" + "0" * 64, unusable)
