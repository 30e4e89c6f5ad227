"""Test the page of a comparison in a real browser, with hostile names and labels."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.beam_pipeline.jobs import archive, imagebeam
from tests.outputs.outputs import CLASSES, named

pytestmark = pytest.mark.slow

HOSTILE = ("/a/<img src=x onerror=alert(1)>.jpg", "/a/new\nline\u202e.jpg", "javascript:alert(1)")
TABBY, TIGER, FORMULA = CLASSES[:3]


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare outputs that have nine images in common, of which five change."""
    root = tmp_path_factory.mktemp("changes")
    photos = archive(root / "in", 2)
    same = {f"/same/{index}.jpg": index for index in range(4)}
    names = (*photos, *HOSTILE)
    named(
        root / "old", same | {name: index % 2 for index, name in enumerate(names)} | {"/o.jpg": 0}
    )
    named(root / "new", same | dict.fromkeys(names, 2) | {"/n\n1.jpg": 0, "/n2.jpg": 0})
    arguments = ("compare", root / "old", root / "new", "--max-drift", "50%", "--report")
    assert imagebeam(*arguments, root / "changes.html") == 1
    return root / "changes.html"


@pytest.fixture
def page(browser: Browser, changes: Path) -> Page:
    page = browser.new_page()
    page.goto(changes.as_uri())
    return page


def test_it_shows_what_changed(page: Page) -> None:
    tiles = page.locator(".tile dd").all_text_contents()
    assert tiles == ["9", "4", "5", "1", "2"]
    assert page.locator(".state").text_content() == "more than --max-drift 50.00 %"
    rows = [row.locator("th, td.n").all_text_contents() for row in page.locator(".matrix tr").all()]
    assert rows == [
        ["Old label", TABBY, TIGER, FORMULA, "others"],
        [TABBY, "1", "", "3", ""],
        [TIGER, "", "1", "2", ""],
    ]
    only = page.locator(".names").all_inner_texts()
    assert only == ["/o.jpg", "/n\u240a1.jpg\n/n2.jpg"]


def test_pictures_show_both_labels_side_by_side(page: Page) -> None:
    items = page.locator(".flips > li")
    answers = {
        (item.locator("bdi").last.text_content() or "").rpartition("/")[2]: (
            item.locator("dd").all_inner_texts(),
            item.locator("img").count(),
        )
        for item in items.all()
    }
    assert answers == {
        "0000.jpg": ([f"{TABBY} 0.75", f"{FORMULA} 0.75"], 1),
        "0001.jpg": ([f"{TIGER} 0.75", f"{FORMULA} 0.75"], 1),
        "<img src=x onerror=alert(1)>.jpg": ([f"{TABBY} 0.75", f"{FORMULA} 0.75"], 0),
        "new\u240aline⟨U+202E⟩.jpg": ([f"{TIGER} 0.75", f"{FORMULA} 0.75"], 0),
        "javascript:alert(1)": ([f"{TABBY} 0.75", f"{FORMULA} 0.75"], 0),
    }
    links = page.evaluate("[...document.links].map(link => link.protocol)")
    assert links == ["file:"] * 4


def test_it_runs_no_scripts(page: Page, changes: Path) -> None:
    assert page.evaluate("document.scripts.length") == 0
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', changes.read_text())
    assert "script-src &#39;none&#39;" in policy[0]
    assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (360, "dark"), (1280, "light")])
def test_it_is_accessible_and_fits(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [320, 1280])
def test_long_and_right_to_left_names_fit_and_keep_their_order(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("tests.outputs.outputs.CLASSES", ("L" * 180, "תווית " * 20, "a " * 90))
    path = "/in/תמונות/משפחה/אבא.jpg"
    images = [path, f"/{'x' * 230}/{'y' * 230}.jpg", f"https://a.org/{'q' * 900}.jpg"]
    for side, first in (("old" * 60, 0), ("new", 1)):
        classes = {name: (first + number) % 3 for number, name in enumerate(images)}
        named(tmp_path / side, classes | {f"/{side[:3]}/{'z' * 500}.jpg": 0})
    target = tmp_path / "page.html"
    assert imagebeam("compare", tmp_path / ("old" * 60), tmp_path / "new", "--report", target) == 0
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(target.as_uri())
    wide = page.evaluate(
        "[...document.querySelectorAll('.card :is(table, .file, li, dd)')].filter(each =>"
        " !each.closest('.scroll') && each.getBoundingClientRect().right >"
        " each.closest('.card').getBoundingClientRect().right).map(each => each.outerHTML)"
    )
    assert wide == []
    item = page.locator(".flips > li").filter(has_text="משפחה")
    parts = item.locator(".file bdi bdi").filter(has_text=re.compile("."))
    assert parts.all_text_contents() == path[1:].split("/")
    rectangle = "each => { const first = each.getClientRects()[0]; return [first.y, first.x]; }"
    places = [part.evaluate(rectangle) for part in parts.all()]
    assert places == sorted(places)
    heights = page.evaluate(
        "[...document.querySelectorAll('.file')].map(each => each.getBoundingClientRect().height)"
    )
    assert max(heights) < 150


def test_outputs_that_agree_have_a_page_without_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = named(tmp_path / "out", {"/a.jpg": 0, "/b.jpg": 1})
    page = tmp_path / "p.html"
    assert imagebeam("compare", layout.root, layout.root, "--report", page, "--json") == 0
    assert json.loads(capsys.readouterr().out)["matrix"] == {"old": [], "new": [], "images": []}
    assert "0.00 % of the labels changed." in page.read_text()
    assert imagebeam("compare", layout.root, layout.root, "--report", page) == 0
    assert capsys.readouterr().out.endswith(f"\npage  {page}\n")
