"""The documentation as a site: whole, and of this host alone."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.docs.pages import DOCS

ROOT = DOCS.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT,
        check=True,
    )
    return folder


@pytest.mark.slow
def test_a_page_needs_nothing_from_other_hosts(site: Path) -> None:
    loaded = {
        found
        for page in site.rglob("*.html")
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text("utf-8"))
        for found in re.findall(r'(?:src|href)="?([^" >]+)', tag)
    }
    assert loaded != set()
    assert [found for found in loaded if urlsplit(found).netloc] == []


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_a_heading(site: Path) -> None:
    dead = []
    for page in site.rglob("*.html"):
        # The page of what is not found is served at any depth, and speaks from the root.
        if page.name == "404.html":
            continue
        for found in re.findall(r'<a [^>]*href="([^"]+)"', page.read_text("utf-8")):
            parts = urlsplit(found)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            there = target.is_file() and (
                not parts.fragment or f'id="{unquote(parts.fragment)}"' in target.read_text("utf-8")
            )
            if not there:
                dead.append((page.name, found))
    assert dead == []


@pytest.mark.slow
def test_the_reference_is_what_the_commands_say(site: Path) -> None:
    page = (site / "reference" / "command-line.html").read_text("utf-8")
    for name in ("demo", "doctor", "label", "module-train"):
        assert f'id="imagebeam-{name}"' in page
    assert "--price-per-core-hour X" in page


def test_every_page_is_in_the_menu() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(menu)))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert written <= listed
