"""A browser for the tests of pages."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.engines.tools import tool


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A sandbox needs a user that is not root.
        unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=unsafe)
        yield browser
        browser.close()
