"""The versions of the package and of its file formats; `setup.py` reads the first from here."""

__version__ = "0.1.0"

MODULE_FORMAT = "imagebeam-module/1"
"""The format of `module.json`, the metadata of a module."""
