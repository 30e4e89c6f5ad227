import json
from itertools import count
from pathlib import Path

import pytest

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.identity import claim, job_digest, names_digest
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.storage import AnyPath, Location, location, store_for
from tests.outputs.outputs import (
    IDENTITY,
    below,
    claimed,
    failed,
    finish,
    labelled,
    rows,
    storage_that_goes_after,
)

SHARD = "0123456789abcdef" * 2


def refusal(layout: Layout, identity: dict[str, object], overwrite: bool = False) -> str:
    with pytest.raises(OutputError) as caught:
        claim(layout, identity, overwrite)
    return str(caught.value)


def used(root: AnyPath) -> Layout:
    """Return the output of a complete job."""
    layout = claimed(root)
    write_part(layout, SHARD, labelled("a"), failed("b"))
    finish(layout, ["a"], ["b"], 1)
    return layout


def test_the_digest_of_a_job_depends_on_what_decides_its_rows() -> None:
    digest = job_digest(IDENTITY)
    assert len(digest) == 16
    same: dict[str, object] = {
        "module": "elsewhere",
        "format": "tfrecord",
        "versions": {},
        "root": None,
    }
    assert job_digest(IDENTITY | same) == digest
    others = (("module_digest", "2"), ("top_k", 3), ("labels", "x"), ("input_range", [[0, 1]]))
    assert len({digest, *(job_digest(IDENTITY | {name: value}) for name, value in others)}) == 5


class TestClaim:
    def test_a_new_folder_is_claimed(self, root: AnyPath) -> None:
        layout = Layout(root / "new")
        claim(layout, IDENTITY, overwrite=False)
        found = sorted(entry.name for entry in layout.root.iterdir())
        # A store has no folders.
        assert found == (
            ["job"] if isinstance(root, Location) else ["errors", "job", "predictions"]
        )
        assert json.loads(layout.identity.read_text()) == IDENTITY

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_an_empty_folder_is_claimed(self, tmp_path: Path, overwrite: bool) -> None:
        claim(Layout(tmp_path), IDENTITY, overwrite)
        assert json.loads(Layout(tmp_path).identity.read_text()) == IDENTITY

    def test_the_same_job_keeps_rows_and_removes_the_summary(self, root: AnyPath) -> None:
        layout = used(root)
        layout.plan.write_bytes(b"{}")
        if not isinstance(root, Location):
            (layout.predictions / f".part-2.parquet.{SHARD}.tmp").write_bytes(b"")
        claim(layout, IDENTITY, overwrite=False)
        assert rows(layout) == ({"a"}, {"b"})
        assert sorted(below(root)) == [
            f"errors/part-{SHARD}.parquet",
            "job/identity.json",
            f"predictions/part-{SHARD}.parquet",
        ]

    @pytest.mark.parametrize("name", ["module", "versions"])
    def test_options_that_affect_no_row_can_change(self, root: AnyPath, name: str) -> None:
        layout = used(root)
        claim(layout, IDENTITY | {name: "another"}, overwrite=False)
        assert rows(layout) == ({"a"}, {"b"})
        assert json.loads(layout.identity.read_text())[name] == "another"

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize(
        "names", [[".x.tmp", "job/notes.txt"], ["job/lease.json", "job/notes.txt"], ["job.txt"]]
    )
    def test_a_folder_with_foreign_files_is_refused_unchanged(
        self, root: AnyPath, names: list[str], overwrite: bool
    ) -> None:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"mine")
        before = below(root)
        first = names[0].partition("/")[0]
        assert refusal(Layout(root), IDENTITY, overwrite) == (
            f"{root}: is not empty (it holds {first!r}) and was not created by "
            "imagebeam. Choose an --output folder that is new or empty."
        )
        assert below(root) == before

    def test_folder_placeholders_in_a_bucket_are_ignored(self, gcs_bucket: str) -> None:
        root = location(f"{gcs_bucket}/made-by-a-console")
        for name in (f"{root}/", f"{root}/job/"):
            store_for(name).write(name, b"")
        claim(Layout(root), IDENTITY, overwrite=False)

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "out").touch()
        fix = "Choose an --output that can be written."
        expected = f"{tmp_path}/out: File exists. {fix}"
        assert refusal(Layout(tmp_path / "out"), IDENTITY) == expected
        expected = f"{tmp_path}/out/below: Not a directory. {fix}"
        assert refusal(Layout(tmp_path / "out" / "below"), IDENTITY) == expected

    def test_a_folder_that_cannot_be_written_is_refused(self) -> None:
        found = refusal(Layout(Path("/proc/out")), IDENTITY)
        assert found == (
            "/proc/out: No such file or directory. Choose an --output that can be written."
        )


CHANGED = {
    "module_digest": "sha256:2",
    "engine": "tensorflow",
    "image_size": [9, 9],
    "resize": "stretch",
    "emit": ["labels", "logits"],
    "top_k": 3,
    "labels": "abc",
    "format": "tfrecord",
}
DIFFERENCES = {
    "module_digest": "--module m, now with other content",
    "engine": "--engine litert, now tensorflow",
    "image_size": "input of 8×8 pixels, now 9×9",
    "resize": "--resize crop, now stretch",
    "emit": "--emit labels, now labels,logits",
    "top_k": "--top-k 2, now 3",
    "labels": "--labels with other class names",
    "format": "--format parquet, now tfrecord",
}


class TestAnotherJob:
    @pytest.mark.parametrize("name", CHANGED)
    def test_another_job_is_refused_and_the_difference_is_named(
        self, root: AnyPath, name: str
    ) -> None:
        layout = used(root)
        before = below(root)
        difference = DIFFERENCES[name]
        assert refusal(layout, IDENTITY | {name: CHANGED[name]}) == (
            f"{root}: belongs to another job: {difference}. Choose another --output, use "
            "the earlier options, or start again with --overwrite."
        )
        assert below(root) == before

    def test_every_difference_is_named(self, tmp_path: Path) -> None:
        found = refusal(used(tmp_path), IDENTITY | CHANGED)
        assert "; ".join(DIFFERENCES.values()) in found

    def test_a_change_of_module_names_both(self, tmp_path: Path) -> None:
        found = refusal(used(tmp_path), IDENTITY | {"module": "n", "module_digest": "sha256:2"})
        assert "another job: --module m, now n. Choose" in found

    def test_a_change_of_columns_names_both(self, tmp_path: Path) -> None:
        found = refusal(used(tmp_path), IDENTITY | {"kept": {"id": "string", "year": "int64"}})
        assert "another job: added columns nothing, now id,year. Choose" in found

    def test_overwriting_deletes_only_files_of_the_earlier_job(self, root: AnyPath) -> None:
        layout = used(root)
        (layout.job / "module-1.tflite").write_bytes(b"")
        layout.lease.write_bytes(b"of the run that overwrites")
        (root / "notes.txt").write_bytes(b"mine")
        claim(layout, IDENTITY | CHANGED, overwrite=True)
        assert sorted(below(root)) == ["job/identity.json", "job/lease.json", "notes.txt"]
        assert json.loads(layout.identity.read_text()) == IDENTITY | CHANGED
        # The folders for the next rows exist.
        write_part(layout, SHARD, labelled("a"), failed("b"))

    def test_a_damaged_identity_is_refused_and_can_be_overwritten(self, root: AnyPath) -> None:
        layout = used(root)
        layout.identity.write_bytes(b'{"module')
        found = refusal(layout, IDENTITY)
        assert found.startswith(f"{layout.identity}: damaged (")
        assert found.endswith("). Run with --overwrite to start again.")
        claim(layout, IDENTITY, overwrite=True)
        assert rows(layout) == (set(), set())


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("was_used", [False, True])
def test_after_a_kill_the_same_command_claims_the_output_again(
    root: AnyPath, was_used: bool, overwrite: bool
) -> None:
    for changes in count():
        place = root / str(changes)
        layout = used(place) if was_used else Layout(place)
        try:
            with storage_that_goes_after(changes, place):
                claim(layout, IDENTITY, overwrite)
        except OutputError:
            claim(layout, IDENTITY, overwrite)
            assert rows(layout) == (
                ({"a"}, {"b"}) if was_used and not overwrite else (set(), set())
            )
            assert not layout.summary.exists()
        else:
            assert changes >= (3 if isinstance(root, Location) else 5)
            break


def test_names_are_distinguished_by_their_digest() -> None:
    assert names_digest(None) is None
    found = [names_digest(names) for names in (["a", "b"], ["b", "a"], ["ab"], [], ["a", "b", ""])]
    assert len(set(found)) == len(found)
    assert names_digest(("a", "b")) == found[0]
