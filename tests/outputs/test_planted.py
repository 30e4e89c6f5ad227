"""Test files that no job of this version wrote: damaged, hostile or of other jobs."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs import identity, parts
from imagebeam.outputs.compaction.compact import compact
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.exports.table import export_table
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.reading import Output, Selection
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.status import status
from imagebeam.outputs.verify import verify
from imagebeam.report.page import write_report
from tests.outputs.outputs import IDENTITY, below, claimed, failed, finish, labelled

DOCUMENTS = [
    b"",
    b"[]",
    b"[1]",
    b"null",
    b"7",
    b'"text"',
    b"{}",
    b"\xff\xfe",
    b"{" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 100_000,
]
ODD = [
    pa.table({"uri": pa.array([1, 2])}),
    pa.table({"uri": pa.array([b"\xff"], pa.binary())}),
    pa.table({"uri": pa.array([None], pa.string())}),
    pa.table({"uri": pa.array([["a"]])}),
    pa.table({"other": pa.array(["a"])}),
    pa.table({}),
    pa.table({name: pa.array([[1]]) for name in ("uri", "code", "retryable", "label", "score")}),
]


def sound(root: Path) -> Layout:
    layout = claimed(root)
    write_part(layout, "1" * 32, labelled("a", "b"), failed("c"))
    finish(layout, ["a", "b"], ["c"], 1)
    return layout


def attempt_everything(layout: Layout, target: Path) -> None:
    """Run everything that reads an output; only errors that a user can act on may be raised."""
    for act in (
        lambda: verify(layout.root),
        lambda: status(layout.root).as_json(),
        lambda: write_report(layout.root, target / "page.html", 0),
        lambda: export_table(Output.open(layout.root), target / "t.csv", Selection(), (), True),
        lambda: compact(layout, 1_000_000),
        lambda: parts.forget_errors(layout, []),
        lambda: identity.claim(layout, IDENTITY, overwrite=False),
    ):
        with suppress(OutputError, DamagedPartError):
            act()


@pytest.mark.parametrize("content", DOCUMENTS, ids=range(len(DOCUMENTS)))
@pytest.mark.parametrize(
    "name",
    ["summary.json", *(f"job/{stem}.json" for stem in ("identity", "plan", "run", "compaction"))],
)
def test_planted_documents_cause_no_unexpected_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    layout = sound(tmp_path / "out")
    if name == "job/plan.json":
        layout.summary.unlink()
    (tmp_path / "out" / name).write_bytes(content)
    attempt_everything(layout, tmp_path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("summary.json", {"stages": [1]}),
        ("summary.json", {"stages": {"a": {"wall_seconds": "1", "cpu_seconds": 2}}}),
        ("summary.json", {"failed_by_code": ["a"]}),
        ("summary.json", {"failed_by_code": {"a": "1"}}),
        ("summary.json", {"rows": "7", "rows_digest": 7}),
        ("summary.json", {"module": [[]], "versions": 3, "preprocessing": 3}),
        ("job/identity.json", {"format": [], "emit": 7}),
        ("job/identity.json", {"emit": "labels", "kept": 7, "image_size": "x", "module": {}}),
        ("job/run.json", {"id": [], "remote_handle": 7}),
        ("job/run.json", {"id": "x", "remote_handle": [1]}),
    ],
)
def test_values_of_other_types_are_refused(
    tmp_path: Path, name: str, values: dict[str, object]
) -> None:
    layout = sound(tmp_path / "out")
    path = tmp_path / "out" / name
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | values))
    attempt_everything(layout, tmp_path)


@pytest.mark.parametrize("table", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("folder", ["predictions", "errors"])
def test_parts_with_other_types_are_refused(tmp_path: Path, table: pa.Table, folder: str) -> None:
    layout = sound(tmp_path / "out")
    planted = tmp_path / "out" / folder / "part-0.parquet"
    pq.write_table(table, planted)
    assert f"{planted}: its columns are not the expected ones" in verify(layout.root)
    attempt_everything(layout, tmp_path)
    with pytest.raises(DamagedPartError, match="part-0"):
        list(parts.uris(planted))


@pytest.mark.parametrize("folder", ["predictions", "errors"])
def test_pipes_and_links_in_place_of_parts_are_refused(tmp_path: Path, folder: str) -> None:
    layout = sound(tmp_path / "out")
    os.mkfifo(tmp_path / "out" / folder / "part-0.parquet")
    (tmp_path / "out" / folder / "part-00.parquet").symlink_to("/dev/zero")
    assert verify(layout.root) == [
        f"{tmp_path}/out/{folder}/part-0.parquet: not a part",
        f"{tmp_path}/out/{folder}/part-00.parquet: not a part",
    ]
    attempt_everything(layout, tmp_path)


@pytest.mark.parametrize("name", ["summary.json", "job/identity.json", "job/run.json"])
def test_pipes_in_place_of_documents_are_refused(tmp_path: Path, name: str) -> None:
    layout = sound(tmp_path / "out")
    (tmp_path / "out" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "out" / name)
    attempt_everything(layout, tmp_path)


class UnheardOfError(Exception):
    """An exception of a type that no code expects."""


class _Opening:
    """Raises an exception when a file of some name is opened."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.error: type[Exception] = UnheardOfError
        # The interpreter never removes a hook: it is added once, and is usually inactive.
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if self.name and event == "open" and str(args[0]).endswith(self.name):
            raise self.error("unexpected")


_opening = cache(_Opening)


@pytest.fixture
def opening() -> Iterator[_Opening]:
    opening = _opening()
    yield opening
    opening.name = None


@pytest.mark.parametrize("error", [UnheardOfError, MemoryError, RecursionError])
@pytest.mark.parametrize(
    "name",
    [
        *("out/summary.json", "predictions/part-1.tfrecord"),
        *(f"job/{stem}.json" for stem in ("identity", "plan", "run", "compaction")),
    ],
)
def test_unexpected_errors_of_own_files_are_messages(
    tmp_path: Path, opening: _Opening, name: str, error: type[Exception]
) -> None:
    layout = claimed(tmp_path / "out", "tfrecord")
    write_part(layout, "1", labelled("a", "b"), failed("c"))
    finish(layout, ["a", "b"], ["c"], 1)
    if name == "job/plan.json":
        layout.summary.unlink()
    if name == "job/compaction.json":
        layout.compaction.write_bytes(b'{"target": null, "sources": []}')
    opening.error, opening.name = error, name
    attempt_everything(layout, tmp_path)


def test_a_run_file_that_is_not_an_object_is_ignored(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    layout.run.write_bytes(b"[]")
    assert RunToken.latest(layout) is None
    assert RunToken.unfinished_remote(layout) == {}


def test_a_part_of_another_job_is_named(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    made = {"module_digest": "sha256:2", "engine": "litert", "preprocessing": {"resize": "crop"}}
    schema = PredictionSchema(("labels",), 2, None, made)
    sides, scores = np.full(1, 8, np.int32), np.array([[0.5, 0.25]], np.float32)
    table = schema.table(["x"], sides, sides, scores, None, None)
    errors = schema.errors([("y", "fetch", "not_found", "", True, ())])
    write_part(layout, "9", table, errors)
    findings = verify(tmp_path)
    for part in (layout.prediction_part("9"), layout.error_part("9")):
        assert (
            f"{part}: was written by another job: module digest sha256:2, not sha256:1" in findings
        )
        with pytest.raises(OutputError, match="was written by another job"):
            list(parts.uris(part, IDENTITY))
        assert len(list(parts.uris(part, made))) == 1


def test_a_part_of_a_job_with_other_options_is_named(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    schema = PredictionSchema(("labels",), 2, None, {"job": "0" * 16})
    errors = schema.errors([("y", "fetch", "not_found", "", True, ())])
    write_part(layout, "9", schema.arrow().empty_table(), errors)
    part, wanted = layout.error_part("9"), identity.job_digest(IDENTITY)
    finding = f"{part}: was written by another job: job {'0' * 16}, not {wanted}"
    assert finding in verify(tmp_path)


def test_the_file_of_the_module_is_compared_with_its_record(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    record = {"staged_module": {"file": "module-1.tflite", "sha256": "0" * 64}}
    identity.claim(layout, IDENTITY | record, overwrite=False)
    path = tmp_path / "job" / "module-1.tflite"
    assert identity.check(layout, IDENTITY)
    path.write_bytes(b"altered")
    with pytest.raises(OutputError) as caught:
        identity.check(layout, IDENTITY)
    assert str(caught.value).startswith(f"{path}: was changed since a run of this job wrote it")
    assert f"{path}: was changed since a run of this job wrote it" in verify(tmp_path)


@pytest.mark.parametrize("name", ["predictions/cat.jpg", "errors/a/b", "job/notes.txt"])
def test_overwriting_deletes_nothing_if_there_are_foreign_files(tmp_path: Path, name: str) -> None:
    layout = sound(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    before = below(tmp_path)
    with pytest.raises(OutputError, match="was not written by imagebeam"):
        identity.claim(layout, IDENTITY, overwrite=True)
    assert below(tmp_path) == before


@pytest.mark.parametrize("name", ["predictions", "errors", "job", "report.files"])
def test_overwriting_follows_no_link_to_another_folder(tmp_path: Path, name: str) -> None:
    layout, other = sound(tmp_path / "out"), sound(tmp_path / "other")
    folder, target = tmp_path / "out" / name, tmp_path / "other" / name
    target.mkdir(exist_ok=True)
    (target / f"{'a' * 32}.html").write_bytes(b"mine")
    if folder.exists():
        shutil.rmtree(folder)
    folder.symlink_to(target)
    before = below(Path(str(other.root)))
    with pytest.raises(OutputError, match=rf"/out/{name}: is a link, and --overwrite deletes"):
        identity.claim(layout, IDENTITY, overwrite=True)
    assert below(Path(str(other.root))) == before


@pytest.mark.parametrize(
    "name",
    [
        "part-00000-3f1c-c000.snappy.parquet",
        "part-00000-of-00005.parquet",
        "part-my notes.parquet",
        f"part-{'1' * 31}.parquet",
        ".draft.2026.tmp",
    ],
)
def test_overwriting_deletes_no_part_of_another_program(tmp_path: Path, name: str) -> None:
    layout = sound(tmp_path)
    (tmp_path / "predictions" / name).write_bytes(b"mine")
    before = below(tmp_path)
    with pytest.raises(OutputError, match="was not written by imagebeam"):
        identity.claim(layout, IDENTITY, overwrite=True)
    assert below(tmp_path) == before


def test_overwriting_deletes_only_a_page_that_was_written_here(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    write_report(layout.root, None, 0)
    identity.claim(layout, IDENTITY, overwrite=True)
    assert not layout.report.exists()
    for plant in (lambda page: page.write_bytes(b"<title>mine</title>"), os.mkfifo, Path.mkdir):
        plant(tmp_path / "report.html")
        identity.claim(layout, IDENTITY, overwrite=True)
        assert layout.report.exists()
        os.replace(tmp_path / "report.html", tmp_path / f"kept-{len(os.listdir(tmp_path))}")


def test_overwriting_keeps_other_files_and_the_journal_of_sidecars(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    for name in ("photos.jpg", "job/sidecars.jsonl"):
        (tmp_path / name).write_bytes(b"")
    identity.claim(layout, IDENTITY, overwrite=True)
    assert sorted(below(tmp_path)) == ["job/identity.json", "job/sidecars.jsonl", "photos.jpg"]


def test_inputs_inside_the_folders_of_the_output_are_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "out")
    identity.check_inputs(layout, ["-", str(tmp_path), str(tmp_path / "out/photos"), "gs://b/c"])
    for name in ("predictions", "errors/a.jpg", "job/x/*.jpg", "predictions/../job"):
        given = str(tmp_path / "out" / name)
        for spelled in (given, f"file://{given}"):
            with pytest.raises(OutputError, match="which belongs to the output"):
                identity.check_inputs(layout, [spelled])


def test_inputs_there_are_refused_behind_a_link_too(tmp_path: Path) -> None:
    layout = sound(tmp_path / "out")
    (tmp_path / "pictures").symlink_to(tmp_path / "out" / "predictions")
    (tmp_path / "labels").symlink_to(tmp_path / "out")
    for root, name in (("out", "pictures/a.jpg"), ("labels", "out/job"), ("labels", "pictures")):
        with pytest.raises(OutputError, match="which belongs to the output"):
            identity.check_inputs(Layout(tmp_path / root), [str(tmp_path / name)])
    identity.check_inputs(layout, ["file:///a%00b"])


@pytest.mark.parametrize("content", [b"[]", b'{"images": Infinity}', b"[" * 100_000, None])
def test_a_planted_count_of_a_listing_is_left_out(tmp_path: Path, content: bytes | None) -> None:
    layout = sound(tmp_path)
    layout.summary.unlink()
    (tmp_path / "job" / "listing-1.json").write_bytes(b'{"images": 7}')
    if content is None:
        os.mkfifo(tmp_path / "job" / "listing-0.json")
    else:
        (tmp_path / "job" / "listing-0.json").write_bytes(content)
    assert status(tmp_path).as_json()["listed"] == 7
