"""How are the pictures of README made?

    python bench/pictures.py before-after [--models photo unet cgan nogan] [--photos FILE ...]   # docs/before-after.jpg
    python bench/pictures.py demo [--model Photo] [--example astronaut]   # docs/demo.png

`before-after` colours scikit-image's photographs, made grey. `demo` takes a screenshot of the page in Chromium, which
must be installed.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import skimage
import torch
from demo_speed import chromium, demo
from PIL import Image, ImageOps

from colorgan import Colorizer
from colorgan.evaluation.grid import grid

DOCS = Path(__file__).parent.parent / "docs"
DATA = Path(skimage.__file__).parent / "data"
PHOTOS = [DATA / name for name in ("coffee.png", "rocket.jpg", "chelsea.png", "astronaut.png")]
SIZE = 360, 240  # pixels of each photograph in the picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="picture", required=True)
    before_after = commands.add_parser("before-after")
    before_after.add_argument("--models", nargs="+", default=["photo", "unet", "cgan", "nogan"])
    before_after.add_argument("--photos", nargs="+", type=Path, default=PHOTOS)
    screenshot = commands.add_parser("demo")
    screenshot.add_argument("--model", default="Photo", help="the network's name on the page")
    screenshot.add_argument("--example", default="astronaut", help="one of the page's photographs")
    options = parser.parse_args()
    if options.picture == "demo":
        save_screenshot(options.model, options.example)
    else:
        save_before_after(options.models, options.photos)


def save_before_after(models: list[str], photos: list[Path]) -> None:
    greys = [Image.open(path).convert("L") for path in photos]
    columns = {"before": stack(greys)}
    for model in models:
        colorizer = Colorizer.from_pretrained(model)
        coloured = [colorizer.colorize(grey) for grey in greys]
        columns[model if len(models) > 1 else "after"] = stack(coloured)
    grid(columns, cell=SIZE[1]).save(DOCS / "before-after.jpg", quality=88)


def stack(pictures: list[Image.Image]) -> torch.Tensor:
    """Return pictures as uint8 (N, 3, H, W), cropped to SIZE; faces are nearer to the top than to the middle."""
    arrays = [np.array(ImageOps.fit(p.convert("RGB"), SIZE, centering=(0.5, 0.1))) for p in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def save_screenshot(model: str, example: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    target = DOCS / "demo.png"
    with demo() as (_, url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1180, "height": 830})
        page.goto(url)
        coloured = page.locator("#before-after img").last
        before = coloured.get_attribute("src") or ""
        page.locator(f"#inputs button.gallery-item:has(img[src*={example}])").click()
        page.get_by_role("radio", name=model, exact=True).first.check()
        expect(coloured).not_to_have_attribute("src", before)
        expect(coloured).to_have_attribute("src", re.compile(example))
        divider = page.get_by_role("separator")
        divider.focus()
        for _ in range(4):  # shows more of the coloured picture
            page.keyboard.press("ArrowLeft")
        divider.blur()
        page.mouse.move(5, 5)
        page.wait_for_timeout(1000)  # until the page's transitions have ended
        page.screenshot(path=target)
    picture = Image.open(target).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=8)
    picture.save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
