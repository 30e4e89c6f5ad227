"""The command that installs an optional part of this package.

The package is on no index, so `pip install 'imagebeam[s3]'` would not find it: the command names
the source folder or the wheel that this installation came from.
"""

import json
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_ROOT = Path(__file__).resolve().parents[1]


def install_command(extra: str, root: Path = _ROOT) -> str:
    """Return the command that installs an extra, such as `pip install '/src/imagebeam[s3]'`.

    Args:
        extra: a key of `extras_require` in setup.py.
        root: folder that holds the package.
    """
    return f"pip install '{_origin(root)}[{extra}]'"


def _origin(root: Path) -> str:
    """Return the source folder or the wheel of this installation; else a word to replace."""
    if (root / "setup.py").is_file():
        return str(root)
    try:
        text = metadata.distribution("imagebeam").read_text("direct_url.json")
        url = urlsplit(json.loads(text or "{}").get("url", ""))
    except (metadata.PackageNotFoundError, ValueError):
        return "WHEEL"
    path = url2pathname(url.path)
    return path if url.scheme == "file" and Path(path).exists() else "WHEEL"
