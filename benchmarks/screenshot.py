"""Draw the page of an output as a PNG, from its top to the end of the pictures.

python -m benchmarks.screenshot demo-output docs/assets/report.png --show least
"""

import argparse
import io
import os
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from imagebeam.report.page import write_report

_WIDTH = 1200
_MARGIN = 24


def main() -> None:
    """Write the page of the output, open it in Chromium and save what it shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--show", choices=("sample", "least", "most"), default="most")
    args = parser.parse_args()
    _, page_file = write_report(args.output)
    with sync_playwright() as playwright:
        # A sandbox needs a user that is not root.
        unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=unsafe)
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900})
        page.goto(f"file://{page_file}#show={args.show}")
        page.wait_for_load_state("networkidle")
        last = page.locator("section:has(#gallery)").bounding_box()
        assert last is not None
        height = last["y"] + last["height"] + _MARGIN
        drawn = page.screenshot(
            full_page=True, clip={"x": 0, "y": 0, "width": _WIDTH, "height": height}
        )
        browser.close()
    # 256 colours take a third of the bytes, and no difference is seen.
    Image.open(io.BytesIO(drawn)).convert("RGB").quantize(256).save(args.target, optimize=True)


if __name__ == "__main__":
    main()
