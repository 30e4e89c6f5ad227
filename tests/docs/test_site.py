"""Test the built site: its links work, and it loads nothing from other hosts."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from playwright.sync_api import sync_playwright

from imagebeam.beam_pipeline.cli import command_parser
from tests.docs.pages import DOCS
from tests.engines.tools import tool

ROOT = DOCS.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT,
        check=True,
    )
    return folder


@pytest.mark.slow
def test_a_page_loads_nothing_from_other_hosts(site: Path) -> None:
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
        # A server shows this page at any depth, so its links start at the root.
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
def test_the_search_works_from_disk(site: Path) -> None:
    with sync_playwright() as playwright:
        # The sandbox needs a user other than root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=arguments)
        page = browser.new_page()
        page.goto((site / "index.html").as_uri())
        search = page.locator(".md-search__input")
        search.click()
        search.press_sequentially("troubleshooting")
        result = page.locator(".md-search-result__link").first
        result.wait_for(state="visible")
        assert result.inner_text().startswith("Troubleshooting")
        browser.close()


@pytest.mark.slow
def test_every_command_has_a_page_with_its_options(site: Path) -> None:
    overview = (site / "commands" / "index.html").read_text("utf-8")
    for name in command_parser.COMMANDS:
        page = f"{name.replace(' ', '-')}.html"
        assert f'href="{page}"' in overview
        text = html.unescape((site / "commands" / page).read_text("utf-8"))
        for action in command_parser.command_parser(name).arguments:
            if action.dest != "help":
                assert (*action.option_strings, str(action.metavar))[0] in text


def test_every_page_is_in_the_menu() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(menu)))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert written <= listed
