"""Test how the report page shows real files in a real browser: originals, dates, other classes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from imagebeam.outputs.parts import write_part
from imagebeam.report.page import write_report
from tests.beam_pipeline.jobs import archive, imagebeam
from tests.outputs.outputs import CLASSES, SCHEMA, claimed, failed, labelled, named

pytestmark = pytest.mark.slow

LOCAL = ("file:", "data:")
COUNT = 5000
YEAR_2001, YEAR_2002 = 980_000_000, 1_020_000_000


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on(
        "request",
        lambda each: None if each.url[:5] in ("file:", "data:") else errors.append(each.url),
    )
    yield page
    assert errors == []
    context.close()


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """Make an output of four photos in two folders; return the photos by name."""
    found = {}
    for index, name in enumerate(archive(tmp_path / "in", 4)):
        place = tmp_path / ("b" if index % 2 else "a") / f"{index}.jpg"
        place.parent.mkdir(exist_ok=True)
        shutil.copy(name, place)
        found[place.name] = place
    named(tmp_path / "out", {str(path): index % 2 for index, path in enumerate(found.values())})
    for index, path in enumerate(found.values()):
        os.utime(path, (YEAR_2001 + index if index < 2 else YEAR_2002 + index,) * 2)
    return found


def files(page: Page) -> list[str]:
    return page.locator("#gallery .file").all_text_contents()


def test_pictures_without_a_thumbnail_are_shown_from_their_files(
    page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    os.utime(photos["1.jpg"])
    os.utime(photos["1.jpg"], (2_000_000_000,) * 2)
    photos["2.jpg"].write_bytes(b"no picture")
    assert imagebeam("report", tmp_path / "out", "--no-thumbnails") == 0
    page.goto((tmp_path / "out" / "report.html").as_uri() + "#show=all&sort=name")
    assert files(page) == ["0.jpg", "2.jpg", "1.jpg", "3.jpg"]
    items = page.locator("#gallery > li")
    items.nth(1).locator(".why", has_text="browsers do not show").wait_for()
    shown = "item => [...item.querySelectorAll('img')].map(image => image.naturalWidth)"
    page.wait_for_function(
        "[...document.querySelectorAll('#gallery img')].every(image => image.naturalWidth)"
    )
    assert [items.nth(place).evaluate(shown) for place in range(4)] == [[160], [], [160], [160]]
    changed = [item.locator(".changed").is_visible() for item in items.all()]
    # The second one was written to just now, the third one in the future.
    assert changed[0] is changed[3] is False
    assert changed[2]


def test_folders_and_years_filter(page: Page, photos: dict[str, Path], tmp_path: Path) -> None:
    write_report(tmp_path / "out")
    page.goto((tmp_path / "out" / "report.html").as_uri())
    years = page.locator("#folders .pick[data-year]")
    assert years.all_text_contents() == ["2002", "2001"]
    years.first.press("Enter")
    assert sorted(files(page)) == ["2.jpg", "3.jpg"]
    assert page.locator("#pictures-of").text_content() == "2 of 4 images in year 2002"
    page.locator("#folders .pick", has_text=str(tmp_path / "a")).click()
    assert files(page) == ["2.jpg"]
    page.reload()
    assert files(page) == ["2.jpg"]
    page.get_by_role("button", name="Show all folders and years").click()
    assert len(files(page)) == 4
    page.locator("#sort").select_option("oldest file first")
    assert files(page) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    page.locator("#sort").select_option("newest file first")
    assert files(page) == ["3.jpg", "2.jpg", "1.jpg", "0.jpg"]


def test_the_best_classes_are_shown_on_focus(
    page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    write_report(tmp_path / "out")
    for show in ("all", "sample"):
        page.goto((tmp_path / "out" / "report.html").as_uri() + f"#show={show}")
        page.reload()
        item = page.locator("#gallery > li", has_text="1.jpg")
        best = item.locator(".best")
        assert not best.is_visible()
        item.get_by_role("link").focus()
        assert best.is_visible()
        assert best.locator("li").all_text_contents() == [
            f"{CLASSES[1]} 0.75",
            f"{CLASSES[0]} 0.06",
        ]
        described = item.get_by_role("link").get_attribute("aria-describedby")
        assert described == best.get_attribute("id")


def test_the_command_selects_the_same_pictures(
    page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    write_report(tmp_path / "out")
    page.goto((tmp_path / "out" / "report.html").as_uri() + "#show=all")
    page.locator("#classes .pick", has_text=CLASSES[0]).click()
    page.get_by_label("Lowest score").fill("0.5")
    words = (page.locator("#command").text_content() or "").split(maxsplit=1)[1]
    assert words == (
        f"export {tmp_path}/out --to pictures.csv '--label={CLASSES[0]}' --min-score 0.5"
    )
    page.get_by_label("Name or label contains").fill("x")
    assert not page.locator("#command").is_visible()


def test_a_large_class_is_looked_through_from_files_beside_the_page(
    page: Page, tmp_path: Path
) -> None:
    layout = claimed(tmp_path / "a b#é")
    names = [f"/photos/{index:05}.jpg" for index in range(COUNT)]
    codes = failed(*(f"/bad/{index:03}" for index in range(100)))
    write_part(layout, "1", labelled(*names), codes)
    write_report(layout.root, page_bytes=0)
    assert len(list(layout.report_files.iterdir())) == 2
    assert len(layout.report.read_bytes()) < 200_000
    page.goto(Path(str(layout.report)).as_uri())
    page.locator("#classes .pick").click()
    page.get_by_label("All", exact=True).check()
    page.locator("#page-of", has_text="Page 1 of 84").wait_for()
    seen = page.evaluate(
        """async () => {
          const seen = [], next = document.getElementById("next");
          for (;;) {
            const files = [...document.querySelectorAll("#gallery .file")];
            seen.push(...files.map((file) => file.textContent));
            if (next.disabled) return seen;
            next.click();
            await new Promise((done) => setTimeout(done));
          }
        }"""
    )
    assert seen == [name.rpartition("/")[2] for name in names]
    page.locator("#errors .pick").click()
    page.locator("#error-page-of", has_text="Page 1 of 2").wait_for()
    page.locator("#error-next").click()
    rows = page.locator("#examples .failed .name")
    assert rows.all_text_contents() == [f"/bad/{index:03}" for index in range(60, 100)]


def test_a_file_that_is_missing_beside_the_page_is_reported(
    browser: Browser, tmp_path: Path
) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("/a.jpg"), failed())
    write_report(layout.root, page_bytes=0)
    [file] = layout.report_files.iterdir()
    file.unlink()
    page = browser.new_page()
    page.goto(Path(str(layout.report)).as_uri() + "#show=all")
    text = f"The list cannot be shown: report.files/{file.name} beside this page cannot be read."
    page.locator("#pictures-of", has_text=text).wait_for()
    page.close()


def test_files_that_a_page_needs_no_more_are_removed(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("/a.jpg"), failed())
    write_report(layout.root, page_bytes=0)
    [first] = layout.report_files.iterdir()
    kept = tmp_path / "report.files" / "of-another.html"
    kept.touch()
    write_part(layout, "1", SCHEMA.arrow().empty_table(), failed())
    write_part(layout, "2", labelled("/b.jpg"), failed())
    write_report(layout.root, page_bytes=0)
    assert not first.exists()
    assert len(list(layout.report_files.iterdir())) == 2
    write_report(layout.root)
    assert list(layout.report_files.iterdir()) == [kept]
    kept.unlink()
    write_report(layout.root)
    assert not layout.report_files.exists()
