"""Test the whole job, from a command line to files, with the embedded module."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagebeam.images.decode import decode
from imagebeam.modules.engines import load_engine
from imagebeam.modules.open_module import open_module
from imagebeam.outputs import lock
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.verify import verify
from imagebeam.samples import MODULE
from tests.beam_pipeline import jobs
from tests.beam_pipeline.jobs import (
    COMMAND,
    ROOT,
    archive,
    errors,
    files,
    imagebeam,
    parts,
    predictions,
    stop_when,
)
from tests.engines.tools import tool
from tests.faults.decoding import bmp


@pytest.fixture(
    params=["DirectRunner", pytest.param("PrismRunner", marks=pytest.mark.slow)], autouse=True
)
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run these tests on several runners, except those that need DirectRunner's process."""
    if request.param == "PrismRunner":
        prism = ("--runner=PrismRunner", f"--prism_location={tool('bin/prism')}")
        monkeypatch.setattr(jobs, "RUNNER", prism)


def _summary(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "summary.json").read_text()))


def _counts(output: Path) -> dict[str, int]:
    names = ("requested", "labelled", "failed", "already_done", "duplicates")
    return {name: _summary(output)[name] for name in names}


def test_rows_hold_the_model_outputs_of_each_picture(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 70)
    out = tmp_path / "out"
    everything = ("--emit", "features,labels,logits", "--top-k", 3)
    assert imagebeam("label", tmp_path / "in", "--output", out, *everything) == 0
    stages = ["start", "list", "fetch", "decode", "infer", "write"]
    assert list(_summary(out)["stages"]) == stages
    rows = predictions(out)
    assert [row["uri"] for row in rows] == names
    module = open_module(str(MODULE))
    assert module.info.class_names is not None
    pixels = np.stack(
        [decode(Path(name).read_bytes(), module.info.image_size).pixels for name in names]
    )
    answers = load_engine(module.engine, module.path, module.info).run(pixels)
    assert answers.logits is not None
    assert answers.scores is not None
    assert answers.features is not None
    scores = answers.scores
    for index, row in enumerate(rows):
        best = sorted(range(24), key=lambda each: (-scores[index][each], each))[:3]
        assert (row["width"], row["height"]) == (160, 120)
        assert row["label"] == module.info.class_names[best[0]]
        assert row["score"] == scores[index][best[0]]
        assert row["top_k"] == [
            {
                "class": each,
                "label": module.info.class_names[each],
                "score": scores[index][each],
            }
            for each in best
        ]
        assert row["logits"] == answers.logits[index].tolist()
        assert row["features"] == answers.features[index].tolist()
    assert verify(out) == []


def test_files_that_are_not_pictures_affect_only_their_own_rows(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 36, rubbish=4)
    out = tmp_path / "out"
    assert imagebeam("label", tmp_path / "in", "--output", out) == 0
    assert [row["uri"] for row in predictions(out)] == names[:36]
    assert [(row["uri"], row["stage"], row["code"], row["retryable"]) for row in errors(out)] == [
        (names[36], "decode", "empty_file", False),
        (names[37], "decode", "unsupported_format", False),
        (names[38], "decode", "truncated", False),
        (names[39], "decode", "unsupported_format", False),
    ]
    assert _counts(out) == {
        "requested": 40,
        "labelled": 36,
        "failed": 4,
        "already_done": 0,
        "duplicates": 0,
    }
    assert _summary(out)["failed_by_code"] == {
        "empty_file": 1,
        "truncated": 1,
        "unsupported_format": 2,
    }
    assert verify(out) == []


def test_unusual_names_are_preserved(tmp_path: Path) -> None:
    [picture] = archive(tmp_path / "in", 1)
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = ["a[1].jpg", "two words.jpg", "hash#1.jpg", "what?.jpg", "100%20.jpg", "new\nline.jpg"]
    odd += ["<img onerror>.jpg", "*.jpg", "=cmd.jpg", "ü🙂.jpg", "'quotes\".jpg"]
    raw = os.fsencode(folder) + b"/\xff\xfe.jpg"
    for name in (*(os.fsencode(folder / each) for each in odd), raw):
        os.link(picture, name)
    out = tmp_path / "out"
    assert imagebeam("label", folder, "--output", out) == 0
    assert {row["uri"] for row in predictions(out)} == {
        *(str(folder / each) for each in odd),
        f"file://{folder}/%FF%FE.jpg",
    }
    assert verify(out) == []


def test_a_duplicate_name_is_labelled_once(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 4)
    manifest = tmp_path / "list.txt"
    manifest.write_text("\n".join([names[0], "in/odd/0001.jpg", names[0]]))
    out = tmp_path / "out"
    assert imagebeam("label", tmp_path / "in", manifest, names[2], "--output", out) == 0
    assert [row["uri"] for row in predictions(out)] == names
    assert _counts(out) == {
        "requested": 8,
        "labelled": 4,
        "failed": 0,
        "already_done": 0,
        "duplicates": 4,
    }


def test_a_second_run_labels_only_missing_images(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 30, rubbish=3)
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    assert imagebeam("label", tmp_path / "in", "--output", whole) == 0
    more = ("label", tmp_path / "in", "--output", grown)
    assert imagebeam(*more, "--limit", 7, "--images-per-shard", 2) == 0
    assert imagebeam(*more, "--images-per-shard", 5) == 0
    assert _counts(grown) == {
        "requested": 33,
        "labelled": 23,
        "failed": 3,
        "already_done": 7,
        "duplicates": 0,
    }
    assert predictions(grown) == predictions(whole)
    assert errors(grown) == errors(whole)
    before = files(grown)
    assert imagebeam(*more) == 0
    assert files(grown) == before
    assert _summary(grown)["already_done"] == len(names)
    assert verify(grown) == []


def test_repaired_images_move_from_errors_to_predictions(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 6)
    lost = Path(names[2])
    picture = lost.read_bytes()
    manifest = tmp_path / "list.txt"
    manifest.write_text("\n".join([*names, str(tmp_path / "never.jpg")]))
    lost.unlink()
    out = tmp_path / "out"
    again = ("label", manifest, "--output", out)
    assert imagebeam(*again) == 0
    assert [row["uri"] for row in errors(out)] == [names[2], str(tmp_path / "never.jpg")]
    lost.write_bytes(picture)
    assert imagebeam(*again) == 0
    assert len(errors(out)) == 2
    assert imagebeam(*again, "--retry-failed") == 0
    assert [row["uri"] for row in errors(out)] == [str(tmp_path / "never.jpg")]
    assert [row["uri"] for row in predictions(out)] == names
    assert verify(out) == []


def test_replaced_images_are_labelled_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = archive(tmp_path / "in", 4)
    out = tmp_path / "out"
    again = ("label", tmp_path / "in", "--output", out, "--check-changed", "--keep", "folder")
    assert imagebeam(*again) == 0
    before = {row["uri"]: row["version"] for row in predictions(out)}
    assert imagebeam(*again) == 0
    assert _summary(out)["already_done"] == 4
    Path(names[1]).write_bytes(Path(names[2]).read_bytes())
    os.utime(names[1], ns=(0, 1_000))
    Path(names[3]).write_bytes(b"rubbish")
    capfd.readouterr()
    assert imagebeam(*again) == 0
    assert "2 images were replaced since they were labelled" in capfd.readouterr().err
    after = {row["uri"]: row["version"] for row in predictions(out)}
    size = Path(names[1]).stat().st_size
    expected = {names[0]: before[names[0]], names[2]: before[names[2]]}
    assert after == {**expected, names[1]: f"3e8-{size:x}"}
    assert [(row["uri"], row["folder"]) for row in errors(out)] == [
        (names[3], Path(names[3]).parent.name)
    ]
    assert verify(out) == []


def test_too_many_failures_end_with_code_1_and_keep_all_rows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 8, rubbish=2)
    out = tmp_path / "out"
    again = ("label", tmp_path / "in", "--output", out, "--max-failure-rate")
    assert imagebeam(*again, 0.1) == 1
    assert "2 of 10 images failed, more than --max-failure-rate 0.1" in capfd.readouterr().err
    assert (len(predictions(out)), len(errors(out))) == (8, 2)
    assert imagebeam(*again, 0.2) == 0


def test_an_archive_without_pictures_ends_with_code_1(tmp_path: Path) -> None:
    archive(tmp_path / "in", 1)
    for path in (tmp_path / "in").rglob("*.jpg"):
        path.write_bytes(b"")
    assert imagebeam("label", tmp_path / "in", "--output", tmp_path / "out") == 1


def test_standard_input_is_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = archive(tmp_path / "in", 3)
    (tmp_path / "typed").write_text(f"{names[0]}\nin/even/0002.jpg\n")
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "typed").open() as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        assert imagebeam("label", "-", "--output", "out") == 0
    assert [row["uri"] for row in predictions(tmp_path / "out")] == [names[0], names[1]]


@pytest.mark.parametrize("runner", ["DirectRunner"], indirect=True)
def test_replayed_bundles_change_nothing(tmp_path: Path) -> None:
    archive(tmp_path / "in", 20, rubbish=2)
    once, thrice = tmp_path / "once", tmp_path / "thrice"
    assert imagebeam("label", tmp_path / "in", "--output", once) == 0
    repeat = "--direct_runner_bundle_repeat=2"
    assert imagebeam("label", tmp_path / "in", "--output", thrice, repeat) == 0
    assert files(thrice) == files(once)


@pytest.mark.parametrize("runner", ["DirectRunner"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_next_run_finishes_a_stopped_run(tmp_path: Path, how: signal.Signals) -> None:
    archive(tmp_path / "in", 60, rubbish=3)
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    options = ("--images-per-shard", 1, "--direct_num_workers=1")
    endless = bmp(tmp_path / "endless.bmp", 7, "wait")
    code, stderr = stop_when(
        lambda: parts(stopped) >= 5,
        how,
        *("label", tmp_path / "in", endless, "--output", stopped, *options),
    )
    done = parts(stopped)
    assert 5 <= done <= 60
    assert not (stopped / "summary.json").exists()
    if how == signal.SIGINT:
        assert code == 130
        assert "run the same command again to resume" in stderr
    assert imagebeam("label", tmp_path / "in", "--output", stopped) == 0
    assert _summary(stopped)["already_done"] >= done
    assert imagebeam("label", tmp_path / "in", "--output", whole) == 0
    assert predictions(stopped) == predictions(whole)
    assert errors(stopped) == errors(whole)
    assert list(stopped.rglob("*.tmp")) == []
    assert verify(stopped) == []


@pytest.mark.parametrize("runner", ["DirectRunner"], indirect=True)
def test_a_limit_of_file_sizes_ends_the_job_and_without_it_the_job_resumes(tmp_path: Path) -> None:
    archive(tmp_path / "in", 12)
    out = tmp_path / "out"
    again = (
        "label",
        tmp_path / "in",
        "--output",
        out,
        "--images-per-shard",
        4,
        "--emit",
        "features",
    )
    assert imagebeam(*again, "--limit", 4) == 0
    before = files(out)
    limited = subprocess.run(
        [*COMMAND, *map(str, again)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        # The memory that decoding processes share with the job is a file too, of 786 kB.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000)),
    )
    assert limited.returncode == 2
    assert "no decoding process can be started: File too large" in limited.stderr
    assert files(out) == before
    assert imagebeam(*again) == 0
    assert len(predictions(out)) == 12
    assert verify(out) == []


@pytest.mark.parametrize("runner", ["DirectRunner"], indirect=True)
def test_a_job_that_has_nothing_to_do_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "in", 4)
    again = ("label", tmp_path / "in", "--output", tmp_path / "out")
    assert imagebeam(*again) == 0
    started = tmp_path / "started"
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "sitecustomize.py").write_text(f"open({str(started)!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    assert imagebeam(*again) == 0
    assert not started.exists()
    assert imagebeam(*again, "--overwrite") == 0
    assert started.exists()


def test_a_limit_takes_the_first_names_and_reports_the_others(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 5)
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"uri": 1.5}\n"in/odd/0001.jpg"\n"never"\n')
    out = tmp_path / "out"
    limited = ("--output", out, "--limit", 7)
    assert imagebeam("label", tmp_path / "in", manifest, *limited) == 0
    assert [row["uri"] for row in predictions(out)] == names
    assert [row["uri"] for row in errors(out)] == [f"{manifest}#line=1"]
    assert _counts(out)["requested"] == 7


def test_a_second_run_into_the_same_output_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 2)
    out = tmp_path / "out"
    again = ("label", tmp_path / "in", "--output", out)
    with lock.held(Layout(out)):
        assert imagebeam(*again) == 2
    assert "another run is writing to it" in capfd.readouterr().err
    assert list(out.iterdir()) == []
    assert imagebeam(*again) == 0


def test_a_damaged_part_is_reported_with_a_fix(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = archive(tmp_path / "in", 3)
    out = tmp_path / "out"
    again = ("label", tmp_path / "in", "--output", out)
    assert imagebeam(*again) == 0
    [part] = (out / "predictions").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    assert imagebeam(*again) == 2
    captured = capfd.readouterr().err
    assert f"{part}: damaged" in captured
    assert "Delete it, then run the job again" in captured
    part.unlink()
    assert imagebeam(*again) == 0
    assert [row["uri"] for row in predictions(out)] == names
