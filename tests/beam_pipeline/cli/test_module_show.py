import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.beam_pipeline.colours import CLASSES, write_module
from tests.beam_pipeline.jobs import imagebeam
from tests.modules.flatbuffers import UINT8, Quantisation, echo


def _facts(capfd: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert imagebeam("module", "show", *arguments, "--json") == 0
    return json.loads(capfd.readouterr().out)


def test_a_flatbuffer_is_shown_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_module(tmp_path / "module.tflite")
    content = path.read_bytes()
    assert _facts(capfd, path) == {
        "handle": str(path),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "format": "LiteRT flatbuffer",
        "bytes": len(content),
        "engine": "litert",
        "engine_reason": "it is a flatbuffer",
        "image_size": [1, 1],
        "value_range": [0.0, 1.0],
        "channel_ranges": None,
        "channels": "rgb",
        "range_origin": "stated",
        "independent_scores": False,
        "notes": [],
        "heads": ["logits", "scores"],
        "class_count": 3,
        "feature_length": None,
        "class_names": list(CLASSES),
        "class_names_assumed": False,
        "quantops": False,
        "parameters": None,
        "macs": None,
        "network": None,
        "provenance": {},
        "signatures": None,
        "flatbuffer": {
            "bytes": len(content),
            "input": {"dtype": "float32", "shape": [1, 1, 1, 3], "scale": None, "zero_point": None},
            "outputs": {
                "logits": {"dtype": "float32", "shape": [1, 3], "scale": None, "zero_point": None}
            },
            "parameters": 0,
            "macs": 0,
            "operations": {"RESHAPE": 1},
            "dtypes": {"float32": 2, "int32": 1},
        },
    }


def test_a_flatbuffer_is_shown_as_a_table(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "module.tflite"
    path.write_bytes(echo(dtype=UINT8, quantisation=Quantisation(1 / 128, 128), free_batch=True))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert imagebeam("module", "show", f"{path}@sha256:{digest}") == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    size = f"{path.stat().st_size / 1e6:.2f} MB"
    assert captured.out.splitlines() == [
        f"module      {path}",
        f"digest      sha256:{digest}",
        f"format      LiteRT flatbuffer, {size}",
        "engine      litert: it is a flatbuffer",
        "input       RGB, 2 × 2; pixels 0–255 become -1 to 0.9922",
        "outputs     logits, scores",
        "classes     12, without names",
        "quantised   yes, quantops",
        f"flatbuffer  {size}, uint8 2, int32 1",
        "  input     uint8 [?, 2, 2, 3], scale 0.0078125, zero point 128",
        "  logits    uint8 [?, 12], scale 0.0078125, zero point 128",
    ]


def test_a_digest_that_differs_from_the_pin_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_module(tmp_path / "module.tflite")
    assert imagebeam("module", "show", f"{path}@sha256:{'0' * 64}") == 2
    assert f"not sha256:{'0' * 64} as pinned" in capfd.readouterr().err


@pytest.mark.slow
def test_the_reference_module_is_shown(
    tmp_path: Path,
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    facts = _facts(capfd, reference / "module")
    assert (facts["format"], facts["engine"], facts["quantops"]) == (
        "TF1 Hub format",
        "litert",
        True,
    )
    assert facts["heads"] == ["features", "logits", "scores"]
    assert (facts["class_count"], facts["feature_length"]) == (1001, 512)
    assert facts["flatbuffer"]["macs"] == 76_525_312
    assert sorted(facts["signatures"]) == [
        "default",
        "image_classification",
        "image_feature_vector",
    ]
    assert facts["signatures"]["default"] == {
        "inputs": {"images": "float [?, 160, 160, 3]"},
        "outputs": {"default": "float [?, 1001]"},
    }


@pytest.mark.slow
def test_the_reference_module_is_compiled_to_a_file(
    tmp_path: Path,
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    output = tmp_path / "module.tflite"
    assert imagebeam("module", "compile", reference / "module", "--output", output) == 0
    captured = capfd.readouterr()
    assert captured.out.startswith(f"{output}: {output.stat().st_size:,} bytes\n")
    assert captured.err == ""
    facts = _facts(capfd, output)
    assert facts["heads"] == ["features", "logits", "scores"]
    assert sorted(facts["flatbuffer"]["dtypes"]) == ["int32", "uint8"]


def test_the_compiled_file_must_end_in_tflite(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("module", "compile", tmp_path, "--output", tmp_path / "module") == 2
    assert "not a .tflite file. Give a name that ends so." in capfd.readouterr().err
