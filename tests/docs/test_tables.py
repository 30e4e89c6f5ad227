"""Test the page on tables: run its commands, then its snippets."""

import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable

from imagebeam.samples import ARCHIVE
from tests.docs.pages import run_page, run_python


@pytest.mark.slow
def test_the_page_on_tables_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ARCHIVE / "garden", tmp_path / "photos")
    count = len([*(tmp_path / "photos").iterdir()])
    run_page("tables.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    # Polars warns that a plugin, which is not installed, would plan the scan faster.
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    names = run_python("tables.md")
    failed = DeltaTable("lake/labels_errors").to_pyarrow_table().num_rows
    assert names["images"] == count - failed
    assert names["made_by"].startswith("sha256:")
    counts = dict(names["top"].fetchall())
    assert sum(counts.values()) == count - failed
    assert names["apples"].num_rows == counts["apple"]
