"""Drawn pictures: the sample archive, and the embedded module that is trained on them.

`python -m benchmarks.sample_data` in the repository makes both again.
"""

from pathlib import Path

ARCHIVE = Path(__file__).parent / "archive"
"""Folder with a few hundred drawn pictures and a few deliberately broken files."""

MODULE = Path(__file__).parent / "module"
"""The module for these classes, whose handle is `demo`."""

TRUTH = Path(__file__).parent / "archive_truth.csv"
"""Table of the pictures of the archive: columns `uri` (relative to the table) and `label`."""
