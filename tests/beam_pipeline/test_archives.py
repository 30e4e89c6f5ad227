"""Test jobs on images in containers, and columns that rows keep."""

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.verify import verify
from imagebeam.storage import tfrecord
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions
from tests.images.containers.archives import example

_FEATURES = ("--emit", "features")


def pack(loose: Path, names: list[str], to: Path) -> None:
    """Write the files into one container of each kind."""
    to.mkdir()
    contents = {Path(name).relative_to(loose).as_posix(): Path(name).read_bytes() for name in names}
    for name, mode in (("a.tar", "w"), ("b.tgz", "w:gz"), ("c.tar.bz2", "w:bz2")):
        with tarfile.open(to / name, mode) as made:  # type: ignore[call-overload]
            for member, data in contents.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(to / "d.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for member, data in contents.items():
            zipped.writestr(member, data)
    with (to / "e.tfrecord").open("wb") as file:
        for member, data in contents.items():
            tfrecord.write(file, example(image__encoded=data, image__id=member.encode()))
    images = [{"bytes": data, "path": member} for member, data in contents.items()]
    table = pa.table({"image": images, "image.id": [*contents]})
    pq.write_table(table, to / "f.parquet", row_group_size=5)


def test_members_have_the_same_rows_as_files(tmp_path: Path) -> None:
    loose, packed = tmp_path / "loose", tmp_path / "packed"
    names = archive(loose, 12, rubbish=3)
    pack(loose, names, packed)
    assert imagebeam("label", loose, "--output", tmp_path / "a", *_FEATURES) == 0
    kinds = ("*.tar", "*.tgz", "*.tar.bz2", "*.zip", "*.tfrecord")
    inputs = [packed / pattern for pattern in kinds]
    one_by_one = ("--images-per-shard", 5)
    keyed = ("--id-key", "image/id")
    several = (*inputs, "--output", tmp_path / "b", *_FEATURES, *one_by_one, *keyed)
    assert imagebeam("label", *several) == 0
    table = (packed / "f.parquet", "--output", tmp_path / "c", *_FEATURES, *one_by_one)
    assert imagebeam("label", *table, "--id-key", "image.path") == 0

    def as_members(rows: list[dict[str, Any]], of: Path) -> list[dict[str, Any]]:
        return [
            row | {"uri": row["uri"].replace(f"{loose}/", f"{container}!/")}
            for container in sorted(of.parent.glob(of.name))
            for row in rows
        ]

    for read in (predictions, errors):
        rows = read(tmp_path / "a")
        assert len(rows) in (3, 12)
        assert read(tmp_path / "b") == as_members(rows, packed / "[a-e]*")
        assert read(tmp_path / "c") == as_members(rows, packed / "f*")
    assert verify(tmp_path / "b") == verify(tmp_path / "c") == []
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert (summary["requested"], summary["labelled"], summary["failed"]) == (75, 60, 15)
    # The second run has other shards, and all images are done.
    assert imagebeam("label", *several, "--images-per-shard", 3) == 0
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert (summary["already_done"], summary["labelled"]) == (75, 0)


def test_members_before_the_damage_are_labelled_and_the_repaired_archive_is_completed(
    tmp_path: Path,
) -> None:
    names = archive(tmp_path / "loose", 6)
    pack(tmp_path / "loose", names, tmp_path / "packed")
    broken = tmp_path / "packed" / "b.tgz"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) * 2 // 3])
    job = ("label", broken, "--output", tmp_path / "out")
    assert imagebeam(*job) == 0
    done = len(predictions(tmp_path / "out"))
    assert 1 <= done < 6
    damage = [row for row in errors(tmp_path / "out") if row["code"] == "archive_damaged"]
    assert [row["uri"] for row in damage] == [str(broken)]
    assert verify(tmp_path / "out") == []
    broken.write_bytes(whole)
    assert imagebeam(*job, "--retry-failed", "archive_damaged", "bad_member") == 0
    assert len(predictions(tmp_path / "out")) == 6
    assert errors(tmp_path / "out") == []
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize("form", ["parquet", "tfrecord"])
def test_columns_of_a_manifest_are_kept_in_rows(tmp_path: Path, form: str) -> None:
    names = archive(tmp_path / "in", 3, rubbish=1)
    manifest = tmp_path / "list.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["label", "uri", "id"])
        rows.writerows(["known", name, f"00{index}"] for index, name in enumerate(names))
    out = tmp_path / "out"
    job = ("label", manifest, "--output", out, "--format", form, "--keep", "id", "label=truth")
    assert imagebeam(*job) == 0
    expected = {name: (f"00{index}", "known") for index, name in enumerate(names)}
    [failed] = errors(out)
    assert (failed["id"], failed["truth"]) == expected.pop(failed["uri"])
    assert verify(out) == []
    if form == "parquet":
        found = {row["uri"]: (row["id"], row["truth"]) for row in predictions(out)}
    else:
        found = {}
        for part in (out / "predictions").iterdir():
            with part.open("rb") as file:
                for place in tfrecord.places(file):
                    features = tfrecord.Example.FromString(tfrecord.read(file, *place)).features
                    uri, *kept = (
                        features.feature[name].bytes_list.value[0].decode()
                        for name in ("uri", "id", "truth")
                    )
                    found[uri] = tuple(kept)
    assert found == expected
    # Rows with other columns must not be mixed with these.
    assert imagebeam("label", manifest, "--output", out, "--format", form, "--keep", "id") == 2


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (("label",), "--keep label: rows already have a column 'label'. Give it another name"),
        (("id", "id=x"), "--keep id=x: 'x' is kept already. Name each column once."),
        (("none",), "list.csv: no column 'none' to keep; it has 'uri', 'id'."),
    ],
)
def test_columns_that_cannot_be_kept_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: tuple[str, ...], message: str
) -> None:
    [name] = archive(tmp_path / "in", 1)
    (tmp_path / "list.csv").write_text(f"uri,id\n{name},1\n")
    job = ("label", tmp_path / "list.csv", "--output", tmp_path / "out", "--keep", *keep)
    assert imagebeam(*job) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--s3_secret_access_key=x", "--s3_session_token=x", "--s3_access_key_id=x"]
)
def test_secrets_are_refused_as_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    [name] = archive(tmp_path / "in", 1)
    assert imagebeam("label", name, "--output", tmp_path / "out", option) == 2
    captured = capsys.readouterr().err
    assert f"{option[:-2]}: the secret would be visible in the process list" in captured
    assert "=x" not in captured
