"""Test the YAML pipeline of the page on Python, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imagebeam.samples import ARCHIVE
from tests.docs.pages import DOCS, blocks


@pytest.mark.slow
def test_the_yaml_pipeline_labels_the_images_that_rows_name(tmp_path: Path) -> None:
    pytest.importorskip("docstring_parser", reason="Beam's extra `yaml` is not installed")
    apple, gone = str(ARCHIVE / "garden" / "IMG_2008.jpg"), str(tmp_path / "gone.jpg")
    (tmp_path / "names.txt").write_text(f"{apple}\n{gone}\n")
    [pipeline] = blocks("python.md", "yaml")["In a YAML pipeline"]
    (tmp_path / "label.yaml").write_text(pipeline)
    subprocess.run(
        [sys.executable, "-m", "apache_beam.yaml.main", "--yaml_pipeline_file=label.yaml"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(DOCS.parent)},
        check=True,
    )
    [labels] = tmp_path.glob("labels.parquet*")
    [errors] = tmp_path.glob("errors.parquet*")
    [row] = pq.read_table(labels).to_pylist()
    assert (row["uri"], row["label"], len(row["top_k"])) == (apple, "apple", 3)
    [error] = pq.read_table(errors).to_pylist()
    assert (error["uri"], error["code"]) == (gone, "not_found")
