"""Pictures that we draw ourselves: the sample archive, and the training of the embedded module."""

from pathlib import Path

ARCHIVE = Path(__file__).parent / "archive"
"""Folder of a few hundred drawn pictures, and a few broken files on purpose."""

MODULE = Path(__file__).parent / "module"
"""The module that knows their classes: the default of every command that takes one."""

TRUTH = Path(__file__).parent / "archive_truth.csv"
"""Table of the archive's pictures and what they show: columns `uri` (beside it) and `label`."""
