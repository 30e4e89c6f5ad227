"""Test that unexpected exceptions in child processes and module readers are reported as defects."""

import gzip
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.images.containers import (
    decompression_child,
    decompression_process,
    table_child,
    table_process,
)
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import files_beside
from imagebeam.modules import open_module as opening
from imagebeam.modules import trial
from imagebeam.modules.engines import onnx
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.inspection import facts_of
from imagebeam.samples import MODULE
from imagebeam.service_process import ProcessPool
from imagebeam.storage.http import content_codings, content_codings_child
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions
from tests.images.containers.archives import tar
from tests.storage.web import Site, whole

_DEFECT = "a defect of imagebeam, not of the input: "


class UnheardOfError(Exception):
    """An exception of a type that no code expects."""


def _fail(*_: object, **__: object) -> object:
    raise UnheardOfError("of this kind")


def serve_tables(descriptor: str) -> None:
    pytest.MonkeyPatch().setattr(table_child, "_library", _fail)
    table_child.serve(descriptor)


def serve_streams(descriptor: str) -> None:
    pytest.MonkeyPatch().setattr(decompression_child, "decompressor", _fail)
    decompression_child.serve(descriptor)


def serve_bodies(descriptor: str) -> None:
    pytest.MonkeyPatch().setattr(content_codings_child, "_decompressed", _fail)
    content_codings_child.serve(descriptor)


def _pool(name: str) -> ProcessPool:
    return ProcessPool("fails", f"{__name__}:serve_{name}", idle=1)


def _job(tmp_path: Path, *arguments: object) -> int:
    output = ("--output", tmp_path / "out", "--module", "demo", "--allow-private-hosts")
    return imagebeam("label", *arguments, *output)


@pytest.mark.parametrize("kind", ["tables", "streams"])
def test_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    [good] = archive(tmp_path / "in", 1)
    picture = Path(good).read_bytes()
    pq.write_table(pa.table({"image": [picture]}), tmp_path / "a.parquet")
    (tmp_path / "a.tar.gz").write_bytes(tar({"a.jpg": picture}, "w:gz"))
    (tmp_path / "list.txt").write_text(f"{good}\na.parquet\na.tar.gz\n")
    monkeypatch.setattr(table_process, "TABLE_PROCESSES", _pool("tables"))
    monkeypatch.setattr(decompression_process, "DECOMPRESSION_PROCESSES", _pool("streams"))
    assert _job(tmp_path, tmp_path / "list.txt", "--max-failure-rate", 9) == 0
    assert [row["uri"] for row in predictions(tmp_path / "out")] == [good]
    found = {
        Path(row["uri"]).name: (row["code"], row["message"]) for row in errors(tmp_path / "out")
    }
    for name in ("a.parquet", "a.tar.gz"):
        code, message = found[name]
        assert code == "listing_defect"
        assert message.startswith(f"{_DEFECT}RuntimeError: UnheardOfError: of this kind, at ")


def test_of_a_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [good] = archive(tmp_path / "in", 1)
    picture = Path(good).read_bytes()
    monkeypatch.setattr(content_codings, "BODY_PROCESSES", _pool("bodies"))
    with Site().running() as site:
        packed = whole(gzip.compress(picture), Content_Encoding="gzip")
        names = [site.add("/a.jpg", packed), site.add("/b.jpg", whole(picture))]
        (tmp_path / "list.txt").write_text("\n".join(names))
        assert _job(tmp_path, tmp_path / "list.txt", "--max-failure-rate", 9) == 0
    assert [row["uri"] for row in predictions(tmp_path / "out")] == [names[1]]
    [row] = errors(tmp_path / "out")
    assert row["code"] == "fetch_defect"
    assert row["message"].startswith(f"{_DEFECT}RuntimeError: UnheardOfError: of this kind, at ")


@pytest.mark.parametrize("error", [UnheardOfError, MemoryError, RecursionError, zlib.error])
def test_of_a_file_beside_an_image(error: type[Exception]) -> None:
    def content(path: str) -> bytes | None:
        raise error("of this kind")

    listed = ListedImage("a.jpg", ImageLocation("a.jpg"))
    found = files_beside.added(listed, "a.jpg", ("txt",), content)
    assert isinstance(found.location, ImageError)
    assert found.location.code == "listing_defect"
    expected = "no memory was left" if error is MemoryError else _DEFECT
    assert str(found.location).startswith(expected)
    assert found.extra_columns == (None,)


def fail_in_trial(path: str, options: str, memory: str, refused: str) -> None:
    pytest.MonkeyPatch().setattr(trial, "_read", _fail)
    trial.main(path, options, memory, refused)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_of_the_trial_of_a_module(tmp_path: Path, suffix: str) -> None:
    (path := tmp_path / f"a{suffix}").write_bytes(b"no graph")
    name = f"{__name__}.UnheardOfError: of this kind, at "
    with pytest.raises(ModuleError) as caught:
        trial.try_file(path, Cache(tmp_path / "cache"), target=f"{__name__}:fail_in_trial")
    assert str(caught.value).startswith(f"{str(path)!r}: {_DEFECT}{name}")


@pytest.mark.parametrize("place", ["read_interface", "OnnxEngine"])
def test_of_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    path = MODULE
    if place == "OnnxEngine":
        (path := tmp_path / "a.onnx").write_bytes(b"no graph")
        monkeypatch.setattr(opening, "try_file", lambda *_: None)
    module = onnx if place == "OnnxEngine" else opening
    monkeypatch.setattr(module, place, _fail)
    for command in (
        ("module", "show", path),
        ("module", "annotate", path, "--output", tmp_path / f"b{path.suffix}"),
        ("label", tmp_path / "in", "--output", tmp_path / "out", "--module", path),
    ):
        assert imagebeam(*command) == 2
        stderr = capfd.readouterr().err
        name = f"{__name__}.UnheardOfError: of this kind, at "
        assert stderr.startswith(f"imagebeam: error: {str(path)!r}: {_DEFECT}{name}")
        assert stderr.count("\n") == 1
    monkeypatch.setenv(RAISE_UNEXPECTED, "1")
    with pytest.raises(UnheardOfError):
        opening.open_module(str(path))


def test_of_the_facts_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = opening.open_module("demo")
    monkeypatch.setattr("imagebeam.modules.inspection.count_costs", _fail)
    with pytest.raises(ModuleError, match=r"^'demo': a defect of imagebeam, not of the input: "):
        facts_of(module)
