"""README's picture of the demo, docs/demo.png: `python bench/screenshot.py [--model nogan]`. Needs Chromium."""

import argparse
import re
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright
from start import started

TARGET = Path(__file__).parent.parent / "docs" / "demo.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="NoGAN", help="as the page calls it")
    parser.add_argument("--example", default="chelsea", help="which of the page's photographs")
    options = parser.parse_args()
    server, _ = started(7863)
    try:
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1180, "height": 830})
            page.goto("http://127.0.0.1:7863/")
            coloured = page.locator("#before-after img").last
            before = coloured.get_attribute("src")
            page.locator(f"#give button.gallery-item:has(img[src*={options.example}])").click()
            page.get_by_role("tabpanel").get_by_label(options.model).first.click()
            expect(coloured).not_to_have_attribute("src", before)
            expect(coloured).to_have_attribute("src", re.compile(options.example))
            divider = page.get_by_role("separator")
            divider.focus()
            for _ in range(4):  # more of the colours
                page.keyboard.press("ArrowLeft")
            divider.blur()
            page.mouse.move(5, 5)
            page.wait_for_timeout(1000)
            page.screenshot(path=TARGET)
    finally:
        server.terminate()
        server.wait()
    colours = Image.open(TARGET).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=8)
    colours.save(TARGET, optimize=True)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
