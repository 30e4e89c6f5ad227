"""Test the report page in a real browser, with hostile names and labels."""

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Dialog, Page

from benchmarks.sample_data import drawings
from imagebeam.outputs import parts
from imagebeam.samples import ARCHIVE
from tests.beam_pipeline.jobs import imagebeam
from tests.outputs.outputs import SCHEMA, claimed, finish

pytestmark = pytest.mark.slow

RUN = "window.ran=1;alert(1)"
LABELS = (
    f"<img src=x onerror={RUN}>",
    f"</script><script>{RUN}</script>",
    f"</style></template></textarea><svg onload={RUN}>",
    f"javascript:{RUN}",
    f'" onmouseover="{RUN}" x="',
    "\u202egnorw\u2066 \x1b[31m",
    "=HYPERLINK(1)&amp;#x3C;b>",
    "{{ 7 * 7 }}${7*7}",
    "__proto__",
    "constructor",
    "שלום, עולם",
    "class=a&code=truncated#%00%",
)
NAMES = (
    f"<img src=x onerror={RUN}>.jpg",
    f"</script><script>{RUN}</script>.jpg",
    "javascript:window.ran=1.jpg",
    "new\nline\x1b]0;title\x07.jpg",
    "gpj.\u202eexe.jpg",
    "' onclick='window.ran=1' '.jpg",
    "%3Cscript%3E#?.jpg",
    "x" * 200 + ".jpg",
)
BROKEN = (f"<svg onload={RUN}>.png", f"b</script><script>{RUN}</script>.png", "c\n\u202e.png")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a job whose archive, labels and errors are hostile."""
    root = tmp_path_factory.mktemp("hostile")
    count = len(drawings.CLASSES)
    labels = [*LABELS, *(f"class {index}" for index in range(count - len(LABELS)))]
    (root / "labels.txt").write_text("\n".join(labels))
    for index, picture in enumerate(sorted(ARCHIVE.rglob("IMG_2*.jpg"))):
        name = NAMES[index % len(NAMES)]
        place = root / "in" / f"{index:03}" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, place)
    for name in BROKEN:
        place = root / "in" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(f"<script>{RUN}</script>".encode())
    (root / "in" / "empty.jpg").touch()
    out = root / "out<b>"
    command = ("label", root / "in", "--output", out, "--labels", root / "labels.txt")
    assert imagebeam(*command, "--images-per-shard", 10) == 0
    # The times of a long job make a curve.
    for index, part in enumerate(sorted((out / "predictions").iterdir())):
        os.utime(part, (1_800_000_000 + 7 * index,) * 2)
    with (root / "truth.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["uri", "label"])
        places = sorted(path for path in (root / "in").glob("*/*"))
        rows.writerows([place, LABELS[index % 6]] for index, place in enumerate(places))
    assert imagebeam("report", out, "--truth", root / "truth.csv") == 0
    return out / "report.html"


class Complaints(list[str]):
    """Collect the events that must not happen on a page: dialogs, errors, violations, requests."""

    def watch(self, page: Page) -> None:
        page.on("dialog", self._opened)
        page.on("console", lambda message: self.append(f"console {message.text}"))
        page.on("pageerror", lambda error: self.append(f"error {error}"))
        page.on("request", lambda request: self._requested(request.url))

    def _opened(self, dialog: Dialog) -> None:
        self.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _requested(self, url: str) -> None:
        # Pictures without a thumbnail are shown from their files.
        is_picture = url.startswith("data:image/webp;base64,") or re.match("file:///.*/in/", url)
        if not is_picture and "/report.html" not in url:
            self.append(f"request {url}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    found = Complaints()
    yield found
    assert found == []


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, report: Path, complaints: Complaints) -> Page:
    page = context.new_page()
    complaints.watch(page)
    page.goto(report.as_uri())
    return page


def fragment(page: Page) -> str:
    return str(page.evaluate("decodeURIComponent(location.hash.replaceAll('+', ' '))"))


def files(page: Page) -> list[str]:
    return page.locator("#gallery .file").all_text_contents()


def labels(page: Page) -> set[str]:
    return set(page.locator("#gallery .pick").all_text_contents())


def test_names_and_labels_are_text(page: Page) -> None:
    page.locator("#more-classes").click()
    shown = set(page.locator("#classes .pick").all_text_contents())
    assert set(LABELS[:5] + LABELS[6:]) <= shown
    assert "⟨U+202E⟩gnorw⟨U+2066⟩ ␛[31m" in shown
    seen = set()
    for way in ("Least confident", "Most confident", "Random"):
        page.get_by_label(way).check()
        assert len(files(page)) == 12
        seen.update(files(page))
    examples = page.locator("#examples").text_content() or ""
    assert f"/in/<svg onload={RUN}>.png" in examples
    assert "/in/c␊⟨U+202E⟩.png" in examples
    assert f"</script><script>{RUN}</script>.png" in examples
    page.get_by_label("All", exact=True).check()
    assert set(files(page)) == seen | set(files(page))
    page.locator("#errors .pick", has_text="unsupported_format").click()
    assert len(page.locator("#examples .failed .name").all()) == len(BROKEN)
    listed = page.locator("#examples .failed").all_text_contents()
    assert any(f"/in/<svg onload={RUN}>.png" in row for row in listed)
    page.get_by_role("button", name="Show all codes").click()
    assert f"<script>{RUN}" in examples
    confusions = page.locator("#accuracy summary").all_text_contents()
    assert any(text.startswith(f"{LABELS[1]} labelled as ") for text in confusions)
    assert page.title() == "out<b> – imagebeam report"
    # Code from a hostile name would react to this.
    for place in page.locator("bdi").all()[:40]:
        place.dispatch_event("mouseover")
        place.dispatch_event("click")
    assert page.evaluate("window.ran") is None
    # The data, the lists of pictures and of failed images, the library and the page's own.
    assert page.evaluate("document.scripts.length") == 5
    hooks = "document.querySelectorAll('[onerror],[onload],[onclick],[onmouseover]').length"
    assert page.evaluate(hooks) == 0
    images = page.evaluate("[...document.images].map(image => image.src.slice(0, 16))")
    assert set(images) == {"data:image/webp;"}
    links = page.evaluate("[...document.links].map(link => link.protocol)")
    assert set(links[1:]) == {"file:"}


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.innerHTML = '<img src=x onerror=window.ran=1>'",
        "document.body.append(Object.assign(document.createElement('script'), "
        "{textContent: 'window.ran=1'}))",
        "document.body.setAttribute('onclick', 'window.ran=1'); document.body.click()",
        "eval('window.ran=1')",
        "location.href = 'javascript:window.ran=1'",
        "document.body.append(Object.assign(document.createElement('img'), "
        "{src: 'https://example.invalid/'}))",
        "fetch('https://example.invalid/').catch(() => {})",
    ],
)
def test_the_content_policy_blocks_injected_code(
    context: BrowserContext, report: Path, attack: str
) -> None:
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    requested: list[str] = []
    page.on("requestfinished", lambda request: requested.append(request.url))
    page.goto(report.as_uri())
    # The policy does not apply to the debugger's own calls, so a timer of the page makes this.
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.evaluate(f"setTimeout(() => {{ {attack} }})")
    for _ in range(1000):
        if any("Content Security Policy" in each or "Trusted" in each for each in messages):
            break
        page.wait_for_timeout(20)
    else:
        pytest.fail(f"nothing was refused; the messages of the page: {messages}")
    assert page.evaluate("window.ran") is None
    assert [url for url in requested if "invalid" in url] == []


def test_a_click_on_a_class_filters(page: Page) -> None:
    everything = files(page)
    page.get_by_role("button", name="Show more classes").click()
    page.locator("#classes").get_by_role("button", name="class 3", exact=True).click()
    assert fragment(page) == "#class=class 3"
    assert labels(page) == {"class 3"}
    assert page.locator("#said").inner_text().startswith("Class class 3: ")
    assert page.locator("#scores-class").inner_text().strip() == "class 3"
    assert page.locator("#scores-table thead th").count() == 3
    page.go_back()
    assert files(page) == everything
    page.go_forward()
    assert labels(page) == {"class 3"}
    page.get_by_role("button", name="Show all classes").click()
    assert (files(page), fragment(page)) == (everything, "")
    assert page.evaluate("document.activeElement.id") == "pictures-title"


def test_the_keyboard_selects_a_class(page: Page) -> None:
    pick = page.locator("#classes .pick").nth(2)
    name = pick.inner_text()
    pick.focus()
    page.keyboard.press("Enter")
    assert labels(page) == {name}
    assert pick.get_attribute("aria-pressed") == "true"
    # The rows are replaced, and the focus is kept.
    assert page.evaluate("document.activeElement.dataset.class") == name
    page.keyboard.press("Space")
    assert len(labels(page)) > 1
    page.get_by_label("Random").focus()
    page.keyboard.press("ArrowRight")
    assert fragment(page) == "#show=least"
    scores = [float(text) for text in page.locator("#gallery .score").all_text_contents()]
    assert scores == sorted(scores)


def test_the_address_restores_all_choices(
    context: BrowserContext, report: Path, complaints: Complaints
) -> None:
    page = context.new_page()
    complaints.watch(page)
    page.goto(f"{report.as_uri()}#class=__proto__&code=unsupported_format&show=most&find=PROTO")
    assert labels(page) == {"__proto__"}
    assert page.get_by_label("Most confident").is_checked()
    assert page.locator("#classes .pick").all_text_contents() == ["__proto__"]
    codes = page.locator("#examples li:visible .code")
    assert codes.all_text_contents() == ["unsupported_format"] * len(BROKEN)
    page.goto(f"{report.as_uri()}#class=nobody&code=<img>&show=x&order=__proto__")
    page.reload()
    assert len(files(page)) == 12


def test_a_special_class_name_is_preserved_in_the_address(page: Page) -> None:
    page.get_by_label("Find a class").fill("code=trunc")
    page.locator("#classes .pick").click()
    page.reload()
    assert labels(page) == {LABELS[-1]}


def test_a_code_filters_its_examples(page: Page) -> None:
    examples = page.locator("#examples li:visible .code")
    assert sorted(examples.all_text_contents()) == ["empty_file", *["unsupported_format"] * 2]
    page.get_by_role("button", name="empty_file").focus()
    page.keyboard.press("Enter")
    assert examples.all_text_contents() == ["empty_file"]
    page.get_by_role("button", name="Show all codes").click()
    assert examples.count() == 3


def test_classes_are_found_and_ordered(page: Page) -> None:
    picks = page.locator("#classes .pick")
    assert picks.count() == 12
    page.get_by_label("Find a class").fill("class 1")
    assert picks.all_text_contents() != []
    assert all(name.startswith("class 1") for name in picks.all_text_contents())
    page.get_by_label("Find a class").fill("")
    page.get_by_label("Order").select_option("by name")
    page.get_by_role("button", name="Show more classes").click()
    names = picks.all_text_contents()
    assert len(names) == len(drawings.CLASSES)
    page.get_by_label("Order").select_option("lowest mean score first")
    means = page.locator("#classes tbody td:last-child").all_text_contents()
    assert means == sorted(means)


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_it_is_light_or_dark_as_the_system_or_the_reader_chooses(page: Page) -> None:
    light, dark = "rgb(244, 246, 248)", "rgb(15, 19, 23)"
    page.emulate_media(color_scheme="light")
    assert ground(page) == light
    page.emulate_media(color_scheme="dark")
    assert ground(page) == dark
    in_dark = page.locator("#scores canvas").screenshot()
    page.get_by_label("Theme").select_option("Light")
    assert ground(page) == light
    assert page.locator("#scores canvas").screenshot() != in_dark
    page.get_by_label("Theme").select_option("System")
    assert ground(page) == dark
    assert page.locator("#scores canvas").screenshot() == in_dark


def test_a_printed_page_is_white_and_has_no_controls(page: Page) -> None:
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 34, 41)"
    assert not page.get_by_label("Find a class").is_visible()
    assert not page.get_by_label("Theme").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_very_long_name_leaves_room_for_others(page: Page) -> None:
    name = page.locator("#classes .pick bdi").first
    heights = [
        name.evaluate(
            "(each, length) => { each.textContent = 'x'.repeat(length);"
            " return each.getBoundingClientRect().height; }",
            length,
        )
        for length in (1, 4000)
    ]
    assert heights[1] == 6 * heights[0]


@pytest.mark.parametrize("width", [320, 360, 768, 1280, 1920])
def test_nothing_exceeds_the_page_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for details in page.locator("summary").all():
        details.click()
    page.locator("#classes .pick").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(page: Page, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#errors .pick").first.click()
    page.locator("#classes .pick").nth(1).click()
    for details in page.locator("summary").all():
        details.click()
    results = Axe().run(page)
    found = [
        (each["id"], node["html"])
        for each in results.response["violations"]
        for node in each["nodes"]
    ]
    assert found == []
    assert len(results.response["passes"]) > 20


def test_the_skip_link_skips_the_header_and_keeps_the_choices(page: Page) -> None:
    page.locator("#classes .pick").first.click()
    before = fragment(page)
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert fragment(page) == before


def test_without_scripts_it_still_shows_the_summary(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    text = page.locator("main").inner_text()
    assert "requested = " in text
    assert "Convert it, or leave it out of the input." in text
    assert "sha256:" in text
    assert "need JavaScript" in text
    context.close()


def test_a_long_job_has_a_speed_curve(page: Page) -> None:
    assert page.locator("#timeline canvas").count() == 1
    page.locator("#timeline").scroll_into_view_if_needed()
    page.locator("#timeline .u-over").hover()
    page.locator("#timeline-readout", has_text=re.compile("^from ")).wait_for()


def test_a_score_reads_the_same_in_all_places(
    context: BrowserContext, complaints: Complaints, tmp_path: Path
) -> None:
    expected = {0.9951: "1.00", 0.9949: "1.00", 0.9944: "0.99", 0.6049: "0.61", 0.25: "0.25"}
    layout = claimed(tmp_path / "out")
    names = [f"file:///{score}.jpg" for score in expected]
    sides = np.full(len(names), 8, np.int32)
    scores = np.diag(np.array(list(expected), np.float32))
    table = SCHEMA.table(names, sides, sides, scores, None, None)
    parts.write_part(layout, "1", table, SCHEMA.errors([]))
    finish(layout, names, [], 1)
    assert imagebeam("report", tmp_path / "out") == 0
    page = context.new_page()
    complaints.watch(page)
    page.goto((tmp_path / "out" / "report.html").as_uri())
    page.get_by_label("Order").select_option("by name")
    means = page.locator("#classes tbody tr td:last-child").all_text_contents()
    cards = page.locator("#gallery .score").all_text_contents()
    assert means == list(expected.values())
    assert sorted(cards) == sorted(expected.values())
