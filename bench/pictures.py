"""How are the pictures of README made?

    python bench/pictures.py before-after [--models photo unet cgan nogan] [--photos FILE ...]   # docs/before-after.jpg
    python bench/pictures.py failures [--model photo]   # docs/failures.jpg
    python bench/pictures.py demo [--model Photo] [--example astronaut]   # docs/demo.png
    python bench/pictures.py hints [--model photo]   # docs/hints.jpg
    python bench/pictures.py hints --photographs FOLDER [--split NAME]   # and docs/hint-curve.png, with its table

`before-after` colours scikit-image's photographs, made grey; `failures` those of its pictures in which most is wrong,
beside the true colours. `demo` takes a screenshot of the page in Chromium, which
must be installed. `hints` colours one photograph with no, two and five hints, which are true colours of it, and draws
how much hints improve photographs, beside the numbers of Zhang et al. 2017 (table 1, on ImageNet).
"""

import argparse
import re
from pathlib import Path

import numpy as np
import skimage
import torch
from demo_speed import chromium, demo
from hints import COUNTS, Curve, measure_photographs
from PIL import Image, ImageDraw, ImageOps

from colorgan import Colorizer, Hint
from colorgan.evaluation.grid import grid
from colorgan.evaluation.photo_set import open_photographs

DOCS = Path(__file__).parent.parent / "docs"
DATA = Path(skimage.__file__).parent / "data"
PHOTOS = [DATA / name for name in ("coffee.png", "rocket.jpg", "chelsea.png", "astronaut.png")]
FAILURES = [DATA / name for name in ("coffee.png", "astronaut.png", "motorcycle_left.png", "hubble_deep_field.jpg")]
SIZE = 360, 240  # pixels of each photograph in the picture
HINTED = DATA / "coffee.png"
PLACES = ((0.20, 0.62), (0.90, 0.45), (0.50, 0.36), (0.52, 0.93), (0.12, 0.25))  # saucer, table, coffee, saucer, table
ZHANG = {0: 24.43, 1: 25.37, 2: 26.20, 5: 27.39, 10: 28.42, 50: 30.42}  # hints: mean psnr, dB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="picture", required=True)
    before_after = commands.add_parser("before-after")
    before_after.add_argument("--models", nargs="+", default=["photo", "unet", "cgan", "nogan"])
    before_after.add_argument("--photos", nargs="+", type=Path, default=PHOTOS)
    failures = commands.add_parser("failures")
    failures.add_argument("--model", default="photo")
    screenshot = commands.add_parser("demo")
    screenshot.add_argument("--model", default="Photo", help="the network's name on the page")
    screenshot.add_argument("--example", default="astronaut", help="one of the page's photographs")
    hints = commands.add_parser("hints")
    hints.add_argument("--model", default="photo")
    hints.add_argument("--photographs", metavar="FOLDER", help="a folder or data set of photographs, for the curve")
    hints.add_argument("--split", help="of the photographs (default: test if there is one, otherwise train)")
    hints.add_argument("--max_images", type=int, help="of the photographs (default: all)")
    options = parser.parse_args()
    if options.picture == "demo":
        save_screenshot(options.model, options.example)
    elif options.picture == "failures":
        save_failures(options.model)
    elif options.picture == "hints":
        save_hints(options.model)
        if options.photographs:
            photographs = open_photographs(options.photographs, options.split, max_images=options.max_images)
            curve = measure_photographs(options.model, photographs)
            print(curve.report)
            save_curve(curve)
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


def save_failures(model: str) -> None:
    truths, colorizer = [Image.open(path).convert("RGB") for path in FAILURES], Colorizer.from_pretrained(model)
    columns = {
        "grey": stack([truth.convert("L") for truth in truths]),
        model: stack([colorizer.colorize(truth) for truth in truths]),
        "true colours": stack(truths),
    }
    grid(columns, cell=SIZE[1]).save(DOCS / "failures.jpg", quality=88)


def stack(pictures: list[Image.Image]) -> torch.Tensor:
    """Return pictures as uint8 (N, 3, H, W), cropped to SIZE; faces are nearer to the top than to the middle."""
    arrays = [np.array(ImageOps.fit(p.convert("RGB"), SIZE, centering=(0.5, 0.1))) for p in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def save_hints(model: str) -> None:
    """Save one photograph with no, two and five hints, which are marked, and in its true colours."""
    truth, colorizer = Image.open(HINTED).convert("RGB"), Colorizer.from_pretrained(model)
    hints = [Hint(x, y, true_colour(truth, x, y)) for x, y in PLACES]
    columns = {}
    for title, count in {"no hints": 0, "two hints": 2, "five hints": 5}.items():
        picture = colorizer.colorize(truth, hints=hints[:count])
        draw = ImageDraw.Draw(picture)
        for hint in hints[:count]:
            x, y, radius = hint.x * truth.width, hint.y * truth.height, truth.width / 50
            box = x - radius, y - radius, x + radius, y + radius
            draw.ellipse(box, fill=hint.color, outline="white", width=3)
        columns[title] = stack([picture])
    grid(columns | {"true colours": stack([truth])}, cell=SIZE[1]).save(DOCS / "hints.jpg", quality=88)


def true_colour(picture: Image.Image, x: float, y: float) -> str:
    """Return the mean colour of a few pixels around a place, such as `#7a2e2e`."""
    column, row = int(x * picture.width), int(y * picture.height)
    mean = np.asarray(picture)[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3).mean(0)
    return "#" + bytes(mean.round().astype(np.uint8)).hex()


def save_curve(curve: Curve) -> None:
    """Save a plot of the gain in psnr by the number of hints."""
    import matplotlib  # pyright: ignore[reportMissingImports]  # part of the [bench] extra only

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]

    _, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    places = {count: place for place, count in enumerate(COUNTS)}
    axis.plot(range(len(COUNTS)), np.array(curve.psnr) - curve.psnr[0], "o-", label=curve.label)
    gains = [psnr - ZHANG[0] for psnr in ZHANG.values()]
    axis.plot([places[count] for count in ZHANG], gains, "s--", color="grey", label="Zhang et al. 2017, ImageNet")
    axis.set(xticks=range(len(COUNTS)), xticklabels=COUNTS, xlabel="hints", ylabel="gain in psnr, dB", ylim=(0, None))
    axis.legend(frameon=False, loc="upper left")
    axis.spines[["top", "right"]].set_visible(False)
    plt.savefig(DOCS / "hint-curve.png", dpi=110)


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
