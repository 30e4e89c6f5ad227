"""Test the served report in a real browser: hostile names, all pictures, and Ctrl-C."""

import re
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from imagebeam.outputs.parts import write_part
from tests.beam_pipeline.jobs import COMMAND, ROOT, archive
from tests.outputs.outputs import claimed, failed, finish, labelled

pytestmark = pytest.mark.slow

HOSTILE = ["/a/<img src=x onerror=alert(1)>.jpg", "/a/new\nline\u202e.jpg", "/a/' onclick='x.jpg"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve 130 pictures, of which three can be read, and 70 failed images."""
    root = tmp_path_factory.mktemp("served")
    photos = archive(root / "in", 3)
    with zipfile.ZipFile(root / "a.zip", "w") as file:
        file.write(photos[2], "b.jpg")
    names = [*photos[:2], f"{root}/a.zip!/b.jpg", *HOSTILE]
    names += [f"/z/{place:03}.jpg" for place in range(130 - len(names))]
    bad = [f"/bad/{place:03}" for place in range(70)]
    layout = claimed(root / "out")
    write_part(layout, "1", labelled(*names), failed(*bad))
    finish(layout, names, bad, 1)
    process = subprocess.Popen(
        [*COMMAND, "report", str(root / "out"), "--serve"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert next(lines) == "130 labelled, 70 failed\n"
    address = next(lines).removeprefix("page     ").strip()
    assert next(lines) == "Press Ctrl-C to stop.\n"
    yield address
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    # Nothing is written.
    assert sorted(path.name for path in (root / "out").iterdir()) == [
        *("errors", "job", "predictions", "summary.json")
    ]


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    # Pictures that are gone are answered with 404, which the browser logs.
    page.on("console", lambda message: errors.extend([message.text] * ("404" not in message.text)))
    page.on("request", lambda each: errors.extend([each.url] * (not each.url.startswith(address))))
    page.goto(address)
    yield page
    assert errors == []
    context.close()


def files(page: Page) -> list[str]:
    return page.locator("#gallery .file").all_text_contents()


def test_all_pictures_are_looked_through(page: Page) -> None:
    page.get_by_label("All", exact=True).check()
    page.locator("#page-of", has_text="Page 1 of 3").wait_for()
    seen = files(page)
    for number in (2, 3):
        page.locator("#next").press("Enter")
        page.locator("#page-of", has_text=f"Page {number} of 3").wait_for()
        seen += files(page)
    assert len(seen) == len(set(seen)) == 130
    assert page.locator("#next").is_disabled()
    assert {"<img src=x onerror=alert(1)>.jpg", "new\u240aline⟨U+202E⟩.jpg"} <= {*seen}
    assert page.evaluate("document.querySelectorAll('[onerror],[onclick]').length") == 0


def test_pictures_are_shown_and_lead_to_their_originals(page: Page, address: str) -> None:
    page.get_by_label("All", exact=True).check()
    page.get_by_label("Name or label contains").fill("b.jpg")
    page.locator("#pictures-of", has_text="1 of 130 images").wait_for()
    page.wait_for_function("document.querySelector('#gallery img')?.naturalWidth > 0")
    link = page.locator("#gallery .file a").get_attribute("href")
    assert link is not None
    assert re.fullmatch(r"original/\d+", link)
    answer = page.request.get(address + link)
    assert answer.headers["content-type"] == "image/jpeg"
    page.get_by_label("Name or label contains").fill("onclick")
    page.locator("#gallery .why", has_text="can no longer be read").wait_for()


def test_lists_are_taken_along(page: Page) -> None:
    page.get_by_label("All", exact=True).check()
    page.get_by_label("Name or label contains").fill("/z/00")
    page.locator("#pictures-of", has_text="10 of 130").wait_for()
    with page.expect_download() as download:
        page.locator("#download").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert (lines[0], len(lines)) == ("uri,label,score", 11)
    assert download.value.suggested_filename == "pictures.csv"


def test_failed_images_are_looked_through(page: Page) -> None:
    page.locator("#errors .pick").click()
    page.locator("#error-page-of", has_text="Page 1 of 2").wait_for()
    page.locator("#error-next").click()
    page.locator("#examples .failed", has_text="/bad/069").wait_for()
    assert page.locator("#examples .failed").count() == 10


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_it_is_accessible(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_label("All", exact=True).check()
    page.locator("#page-of", has_text="Page 1 of 3").wait_for()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_browser_gets_nothing_without_the_token(browser: Browser, address: str) -> None:
    page = browser.new_page()
    answer = page.goto(address.rsplit("/", 2)[0] + "/")
    assert answer is not None
    assert (answer.status, page.locator("body").inner_text().strip()) == (
        404,
        "open the whole address that was printed",
    )
    page.close()
