import hashlib
from pathlib import Path

from imagebeam.modules import training_pictures
from imagebeam.modules.metadata import read_from_flatbuffer
from tests.beam_pipeline.colours import CLASSES, write_module

_DIGESTS = [training_pictures.digest(bytes([number])) for number in range(5)]


def test_a_digest_is_the_start_of_the_sha256_of_the_file() -> None:
    assert training_pictures.digest(b"picture") == hashlib.sha256(b"picture").digest()[:8]


def test_a_folder_remembers_its_pictures(tmp_path: Path) -> None:
    assert training_pictures.read(tmp_path) == frozenset()
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / training_pictures.ASSET).write_bytes(training_pictures.content(_DIGESTS))
    assert training_pictures.read(tmp_path) == frozenset(_DIGESTS)


def test_a_flatbuffer_remembers_its_pictures_beside_its_metadata(tmp_path: Path) -> None:
    path = write_module(tmp_path / "module.tflite")
    assert training_pictures.read(path) == frozenset()
    content = training_pictures.content(_DIGESTS)
    path.write_bytes(training_pictures.append_to_flatbuffer(path.read_bytes(), content))
    assert training_pictures.read(path) == frozenset(_DIGESTS)
    assert read_from_flatbuffer(path.read_bytes(), "it").classes == CLASSES


def test_only_the_lowest_digests_are_kept() -> None:
    kept = training_pictures.content([*_DIGESTS, *_DIGESTS], limit=2)
    assert kept == b"".join(sorted(_DIGESTS)[:2])
