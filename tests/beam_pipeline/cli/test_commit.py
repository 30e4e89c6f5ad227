"""Test `imagebeam commit` as a user runs it."""

import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.beam_pipeline.jobs import archive, imagebeam
from tests.tables.tables import output


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Return a complete output with three labels and one error."""
    output(tmp_path / "labels", ["a.jpg", "b.jpg", "c.jpg"], ["bad.jpg"])
    return tmp_path / "labels"


def test_a_second_commit_adds_what_the_continued_job_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 5, rubbish=1)
    job = ("label", tmp_path / "in", "--output", tmp_path / "labels", "--quiet")
    table = tmp_path / "table"
    assert imagebeam(*job) == 0
    assert imagebeam("commit", tmp_path / "labels", "--delta", table) == 0
    archive(tmp_path / "in", 7, rubbish=1)
    assert imagebeam(*job) == 0
    assert imagebeam("commit", tmp_path / "labels", "--delta", table) == 0
    assert imagebeam("commit", tmp_path / "labels", "--delta", table) == 0
    assert capsys.readouterr().out == (
        f"{table}: 5 rows; 5 added, 0 removed, in snapshot 0\n"
        f"{table}_errors: 1 rows; 1 added, 0 removed, in snapshot 0\n"
        f"{table}: 7 rows; 2 added, 0 removed, in snapshot 1\n"
        f"{table}_errors: 1 rows; unchanged\n"
        f"{table}: 7 rows; unchanged\n"
        f"{table}_errors: 1 rows; unchanged\n"
    )
    assert DeltaTable(table).version() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no table given. Add --delta URI or --iceberg CATALOG.NAMESPACE.TABLE."),
        (("--iceberg", "labels"), "--iceberg labels: must have three parts"),
        (("--iceberg", "lake.labels"), "--iceberg lake.labels: must have three parts"),
        (("--iceberg", "nowhere.a.b"), "nowhere: no such catalogue is configured for pyiceberg"),
        (("--delta", "labels/table"), "--delta labels/table: is inside the output"),
        (("--delta", "."), ": holds no table of Delta Lake but 'labels'. Choose another"),
        (("--delta", "labels/summary.json/x"), "--delta labels/summary.json/x: is inside"),
        (("--delta", "ftp://host/x"), "ftp://…: cannot be written. Give a local folder"),
        (("--delta", "x", "--iceberg", "a.b.c"), "not allowed with argument"),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    labels: Path,
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(labels.parent)
    assert imagebeam("commit", "labels", *arguments) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in labels.parent.iterdir()] == ["labels"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"URI": "sqlite:////nowhere/catalogue.db", "WAREHOUSE": "file:///nowhere"},
            "the catalogue cannot be opened: (sqlite3.OperationalError) unable to open database",
        ),
        ({"URI": "http://127.0.0.1:1", "WAREHOUSE": "/x"}, "Connection refused"),
        ({"TYPE": "nonsense"}, "'nonsense' is not a valid CatalogType"),
    ],
)
def test_a_catalogue_that_cannot_be_reached(
    labels: Path,
    variables: dict[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__BROKEN__{name}", value)
    assert imagebeam("commit", labels, "--iceberg", "broken.photos.labels") == 2
    error = capsys.readouterr().err
    assert error.startswith("imagebeam: error: broken: ")
    assert message in error


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", ""])
def test_a_bucket_that_cannot_be_reached(
    labels: Path,
    address: str,
    s3_bucket: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    place = f"{s3_bucket}-missing/table"
    assert imagebeam("commit", labels, "--delta", place) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"imagebeam: error: {place}")
    assert ("tcp connect error" if address else "NoSuchBucket") in error


@pytest.mark.parametrize(
    ("option", "name", "package", "extra"),
    [("--delta", "table", "deltalake", "delta"), ("--iceberg", "a.b.c", "pyiceberg", "iceberg")],
)
def test_a_missing_extra_is_named_with_its_installation(
    labels: Path,
    option: str,
    name: str,
    package: str,
    extra: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Python raises this when a package is not installed.
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"imagebeam.tables.{extra}", raising=False)
    assert imagebeam("commit", labels, option, name) == 2
    message = capsys.readouterr().err
    assert f"{option} needs {package}. Run `pip install '" in message
    assert f"[{extra}]'`" in message
