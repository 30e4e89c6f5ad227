"""Test the list of all pictures on the report page in a real browser."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.beam_pipeline.jobs import imagebeam
from tests.outputs.outputs import CLASSES, named

pytestmark = pytest.mark.slow

COUNT = 250
STRANGE = ["/=cmd.jpg", "/photos/new\nline.jpg", "file:///photos/%FF.jpg", "/z.zip!/a.jpg"]
REMOTE = ["gs://bucket/b.jpg", "https://example.org/c.jpg"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("list") / "out"
    images = {f"/photos/{index:03} ä%.jpg": 0 for index in range(COUNT)}
    named(out, images | dict.fromkeys((*STRANGE, *REMOTE), 1))
    assert imagebeam("report", out, "--no-thumbnails") == 0
    return out / "report.html"


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(report.as_uri())
    page.get_by_label("All", exact=True).check()
    yield page
    assert errors == []
    context.close()


def links(page: Page) -> list[str | None]:
    return [link.get_attribute("href") for link in page.locator("#gallery .file a").all()]


def test_a_class_can_be_browsed_to_its_last_page(page: Page) -> None:
    page.locator("#classes .pick", has_text=CLASSES[0]).click()
    seen = links(page)
    assert page.locator("#page-of").text_content() == "Page 1 of 5"
    while page.locator("#next").is_enabled():
        page.locator("#next").click()
        seen += links(page)
    assert page.locator("#page-of").text_content() == "Page 5 of 5"
    assert sorted(map(str, seen)) == [
        f"file:///photos/{index:03}%20%C3%A4%25.jpg" for index in range(COUNT)
    ]
    page.go_back()
    assert page.locator("#page-of").text_content() == "Page 4 of 5"


def test_pictures_without_a_link_state_the_reason(page: Page) -> None:
    page.locator("#classes .pick", has_text="tiger").click()
    gone = "not found when this page was made"
    found = {
        item.locator(".file").text_content(): (
            item.locator(".why").text_content(),
            item.locator("a").get_attribute("href") if item.locator("a").count() else None,
        )
        for item in page.locator("#gallery > li").all()
    }
    assert found == {
        "=cmd.jpg": (gone, "file:///%3Dcmd.jpg"),
        "new\u240aline.jpg": (gone, "file:///photos/new%0Aline.jpg"),
        "%FF.jpg": (gone, "file:///photos/%FF.jpg"),
        "a.jpg": ("in an archive", None),
        "b.jpg": ("in a bucket", None),
        "c.jpg": ("on the web", "https://example.org/c.jpg"),
    }


def test_names_can_be_searched_sorted_and_exported(page: Page) -> None:
    page.get_by_label("Name or label contains").fill("10")
    page.locator("#sort").select_option("by name")
    names = [f"{index:03} ä%.jpg" for index in range(COUNT) if "10" in f"{index:03}"]
    assert page.locator("#gallery .file").all_text_contents() == names
    page.locator("#copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "".join(f"/photos/{name}\n" for name in names)
    page.get_by_label("Name or label contains").fill("cmd")
    with page.expect_download() as download:
        page.locator("#download").click()
    text = Path(download.value.path()).read_text()
    assert list(csv.reader(io.StringIO(text))) == [
        ["uri", "label", "score"],
        ["/=cmd.jpg", "tiger", "0.75"],
    ]


def test_the_lowest_score_is_part_of_the_address(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}#show=all&from=0.8")
    page.reload()
    assert page.locator("#gallery > li").count() == 0
    assert page.get_by_label("Lowest score").input_value() == "0.8"
    assert page.locator("#from-value").text_content() == "0.80"
    page.get_by_label("Lowest score").fill("0.75")
    assert page.locator("#gallery > li").count() == 60
