"""Test that a job writes the same output to a bucket as to a folder."""

import io
import itertools
import json
import signal
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagebeam.outputs import lock
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.lease import LeaseTiming
from imagebeam.storage import Location, store_for
from tests.beam_pipeline.jobs import archive, errors, files, imagebeam, predictions, stop_when
from tests.faults.decoding import bmp
from tests.outputs.outputs import below
from tests.storage.relay import Always, Exchange, Relay, Reply, honest

SHARDS = ("--images-per-shard", 4)


@pytest.fixture(params=["gcs_bucket", pytest.param("s3_bucket", marks=pytest.mark.slow)])
def root(request: pytest.FixtureRequest) -> Location:
    """Return an unused name in a bucket."""
    return Location(f"{request.getfixturevalue(request.param)}/{uuid.uuid4().hex}/labels")


def fetched(root: Location, folder: Path) -> Path:
    """Return a copy of an output on this machine."""
    for name, data in below(root).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_an_output_in_a_bucket_has_the_same_files_and_bytes(
    tmp_path: Path, root: Location, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 12, rubbish=3)
    local = tmp_path / "local"
    for output in (local, root):
        assert imagebeam("label", tmp_path / "in", "--output", output, *SHARDS) == 0
    copy = fetched(root, tmp_path / "copy")
    assert sorted(below(copy)) == sorted(below(local))
    assert files(copy) == files(local)
    accounts = [json.loads((each / "summary.json").read_text()) for each in (copy, local)]
    for account in accounts:
        del account["stages"], account["run_id"]
    assert accounts[0] == accounts[1]
    for command in ("verify", "status", "report"):
        assert imagebeam(command, root) == 0
    assert imagebeam("compact", root) == 0
    assert imagebeam("verify", root) == 0
    compacted = fetched(root, tmp_path / "compacted")
    assert predictions(compacted) == predictions(local)
    assert errors(compacted) == errors(local)
    captured = capfd.readouterr()
    assert f" {root}/predictions" in captured.out
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_stopped_run_is_finished_by_the_next(
    tmp_path: Path, root: Location, how: signal.Signals
) -> None:
    archive(tmp_path / "in", 30, rubbish=2)
    local = tmp_path / "local"
    assert imagebeam("label", tmp_path / "in", "--output", local) == 0
    layout = Layout(root)
    code, stderr = stop_when(
        lambda: sum(1 for _ in layout.prediction_parts()) >= 3,
        how,
        *("label", tmp_path / "in", bmp(tmp_path / "endless.bmp", 7, "wait"), "--output", root),
        *("--images-per-shard", 1, "--direct_num_workers=1"),
    )
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not layout.summary.exists()
    if how == signal.SIGINT:
        assert f"Finished results are kept in {root}" in stderr
        assert layout.log.exists()
    # The lease of a dead process remains.
    assert imagebeam("label", tmp_path / "in", "--output", root) == 0
    copy = fetched(root, tmp_path / "copy")
    assert predictions(copy) == predictions(local)
    assert errors(copy) == errors(local)
    assert json.loads((copy / "summary.json").read_text())["already_done"] >= 3
    assert imagebeam("verify", root) == 0


def test_failed_images_are_labelled_again_and_outputs_overwritten(
    tmp_path: Path, root: Location
) -> None:
    names = archive(tmp_path / "in", 6)
    picture = Path(names[2]).read_bytes()
    Path(names[2]).write_bytes(b"")
    command = ("label", tmp_path / "in", "--output", root)
    assert imagebeam(*command, *SHARDS) == 0
    Path(names[2]).write_bytes(picture)
    assert imagebeam(*command, "--retry-failed", "empty_file") == 0
    copy = fetched(root, tmp_path / "copy")
    assert [row["uri"] for row in predictions(copy)] == names
    assert imagebeam(*command, "--limit", 2, "--emit", "features", "--overwrite") == 0
    copy = fetched(root, tmp_path / "overwritten")
    assert [row["uri"] for row in predictions(copy)] == names[:2]
    assert not (copy / "errors").exists()


def test_a_second_run_is_refused_while_one_writes(
    tmp_path: Path,
    root: Location,
    capfd: pytest.CaptureFixture[str],
) -> None:
    archive(tmp_path / "in", 2)
    with lock.held(Layout(root), LeaseTiming(renewed=0.1)):
        assert imagebeam("label", tmp_path / "in", "--output", root, "--overwrite") == 2
    assert f"{root}: another run is writing to it (process " in capfd.readouterr().err
    assert below(root) == {}


def test_foreign_files_and_other_jobs_are_refused(
    tmp_path: Path, root: Location, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 2)
    store_for(str(root)).write(f"{root}/precious.txt", b"mine")
    assert imagebeam("label", tmp_path / "in", "--output", root, "--overwrite") == 2
    assert (
        f"{root}: is not empty (it holds 'precious.txt') and was not created by imagebeam"
        in capfd.readouterr().err
    )
    assert below(root) == {"precious.txt": b"mine"}
    mine = root / "mine"
    assert imagebeam("label", tmp_path / "in", "--output", mine) == 0
    assert imagebeam("label", tmp_path / "in", "--output", mine, "--emit", "logits") == 2
    assert f"{mine}: belongs to another job: --emit " in capfd.readouterr().err


def test_overwriting_deletes_only_what_a_job_wrote(
    tmp_path: Path, root: Location, capfd: pytest.CaptureFixture[str]
) -> None:
    store, names = store_for(str(root)), archive(tmp_path / "in", 3)
    command = ("label", tmp_path / "in", "--output", root, "--module", "demo")
    assert imagebeam(*command) == 0
    mine = {name: name.encode() for name in ("photos/a.jpg", "notes.txt", "report.html")}
    neighbour = Location(f"{root}-2")
    for name, data in mine.items():
        store.write(f"{root}/{name}", data)
    store.write(f"{neighbour}/predictions/part-{'0' * 32}.parquet", b"mine")
    for name in ("predictions/cat.jpg", "predictions/a/b", "errors/part-1.parquet", "job/list.csv"):
        store.write(f"{root}/{name}", b"mine")
        before = below(root)
        assert imagebeam(*command, "--overwrite") == 2
        assert f"{root}/{name}: was not written by imagebeam" in capfd.readouterr().err
        assert below(root) == before
        store.remove(f"{root}/{name}")
    before = below(root)
    assert imagebeam(*command, "--overwrite", "--limit", 1) == 0
    # The one part has another name, which depends on its images.
    old, new = ({name.partition("part-")[0] for name in each} for each in (before, below(root)))
    assert (new, len(below(root))) == (old, len(before))
    assert mine.items() <= below(root).items()
    assert below(neighbour) == {f"predictions/part-{'0' * 32}.parquet": b"mine"}
    assert [row["uri"] for row in predictions(fetched(root, tmp_path / "copy"))] == names[:1]


def test_a_missing_bucket_is_refused(
    tmp_path: Path, root: Location, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    nowhere = f"{str(root).partition('://')[0]}://never-made/labels"
    assert imagebeam("label", tmp_path / "in", "--output", nowhere) == 2
    captured = capfd.readouterr().err.strip()
    assert captured.startswith(f"imagebeam: error: {nowhere}: there is no such ")
    assert captured.endswith("Choose an --output that can be written.")
    assert imagebeam("verify", nowhere) == 2


@pytest.mark.parametrize("name", ["https://user:secret@host/labels?key=secret", "gs://", "s3:///x"])
@pytest.mark.parametrize("command", [("label", "in", "--output"), ("verify",), ("status",)])
def test_an_invalid_object_name_is_refused(
    capfd: pytest.CaptureFixture[str], command: tuple[str, ...], name: str
) -> None:
    assert imagebeam(*command, name) == 2
    captured = capfd.readouterr().err
    assert "secret" not in captured
    assert captured.startswith("imagebeam: error: ")
    assert "Give " in captured


@pytest.mark.slow
def test_a_manifest_on_standard_input_reads_one_store_and_writes_another(
    tmp_path: Path, s3_bucket: str, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = f"{s3_bucket}/{uuid.uuid4().hex}"
    root = Location(f"{gcs_bucket}/{uuid.uuid4().hex}")
    archive(tmp_path / "in", 8)
    names = []
    for index, path in enumerate(sorted((tmp_path / "in").rglob("*.jpg"))):
        names.append(f"{pictures}/{index}.jpg")
        store_for(pictures).write(names[-1], path.read_bytes())
    typed = io.BytesIO("\n".join(names).encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=typed))
    assert imagebeam("label", "-", "--output", root, *SHARDS) == 0
    assert [row["uri"] for row in predictions(fetched(root, tmp_path / "copy"))] == names
    assert imagebeam("label", f"{pictures}/", "--output", root / "again") == 0
    assert [row["uri"] for row in predictions(fetched(root / "again", tmp_path / "b"))] == names


@pytest.mark.slow
def test_revoked_rights_break_the_job_and_restored_rights_resume_it(
    tmp_path: Path,
    gcs_server: str,
    gcs_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    names = archive(tmp_path / "in", 20)
    root = Location(f"{gcs_bucket}/{uuid.uuid4().hex}")
    uploads = itertools.count(1)

    def allowed_a_few(exchange: Exchange) -> None:
        if "uploadType" in exchange.query and next(uploads) > 9:
            relay.faults = Always([denied])
            denied(exchange)
        else:
            honest(exchange)

    def denied(exchange: Exchange) -> None:
        exchange.reply(Reply(403, {}, b"{}"))

    command = ("label", tmp_path / "in", "--output", root, "--images-per-shard", 1)
    with Relay(gcs_server).running() as relay:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", relay.address)
        relay.faults = Always([allowed_a_few])
        assert imagebeam(*command) == 3
        captured = capfd.readouterr().err
        assert f"{root}/" in captured
        assert "access is denied (status 403)" in captured
        assert "run the same command again" in captured
        relay.faults.clear()
        # The process that could not remove its lease still lives, so the lease would be valid.
        Layout(root).lease.unlink(missing_ok=True)
        assert imagebeam(*command) == 0
        assert [row["uri"] for row in predictions(fetched(root, tmp_path / "copy"))] == names
