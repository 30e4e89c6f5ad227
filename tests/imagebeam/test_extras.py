import json
import re
import sys
from pathlib import Path

import pytest

from imagebeam.extras import install_command

_ROOT = Path(__file__).parents[2]


def _installed(folder: Path, url: str | None) -> None:
    """Set up an installation as pip leaves it, which is found before that of the tests."""
    info = folder / "imagebeam-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: imagebeam\nVersion: 0.0.0\n")
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "archive_info": {}}))


def test_a_source_folder_is_named() -> None:
    assert install_command("s3") == f"pip install '{_ROOT}[s3]'"


def test_the_wheel_of_an_installation_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "my wheels" / "imagebeam.whl"
    wheel.parent.mkdir()
    wheel.touch()
    _installed(tmp_path, wheel.as_uri())
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert install_command("s3", tmp_path) == f"pip install '{wheel}[s3]'"


@pytest.mark.parametrize("url", [None, "https://host/imagebeam.whl", "file:///nowhere/it.whl"])
def test_an_unknown_origin_is_a_placeholder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    _installed(tmp_path, url)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert install_command("s3", tmp_path) == "pip install 'WHEEL[s3]'"


def test_messages_name_extras_that_exist() -> None:
    setup = (_ROOT / "setup.py").read_text(encoding="utf-8")
    known = set(re.findall(r'^        "(\w+)": \[', setup, re.MULTILINE))
    sources = [*_ROOT.glob("beam_pipeline/**/*.py"), *_ROOT.glob("imagebeam/**/*.py")]
    texts = [path.read_text(encoding="utf-8") for path in sources]
    named = {name for text in texts for name in re.findall(r'install_command\("(\w+)"\)', text)}
    assert named != set()
    assert named <= known
    assert [
        text for text in texts if "install 'imagebeam[" in text and "is on no index" not in text
    ] == []
