"""Colour hints on the page, in headless Chromium: by mouse, touch and keyboard, with undo and files."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PATIENCE, PHOTOS
from PIL import Image

from colorgan import Hint
from colorgan.color import rgb_to_lab

pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
from playwright.sync_api import Page, expect
from test_browser import browser, open_page, pictures, pytestmark, shown, upload, wait_until  # noqa: F401

RED = "#a04040"


@pytest.fixture
def page(browser, app: str, grey_photo: Path) -> Iterator[Page]:  # noqa: F811
    page = open_page(browser, app)
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    start(page, grey_photo)
    yield page
    assert not errors
    page.close()


def start(page: Page, photo: Path) -> None:
    """Upload a photograph, open the hints and choose a red."""
    upload(page, photo)
    page.get_by_text("Hints: colours that you know").click()
    page.get_by_label("Colour as hex code or name").fill(RED)
    page.get_by_label("Colour as hex code or name").press("Enter")
    width, height = Image.open(photo).size
    preview = page.locator(".stage img")
    wait_until(page, lambda: preview.evaluate("i => i.naturalWidth / i.naturalHeight") == pytest.approx(width / height))


def point(page: Page, x: float, y: float) -> tuple[float, float]:
    """The place on the screen of fractions of the picture."""
    page.locator(".stage").scroll_into_view_if_needed()
    box = page.locator(".stage img").bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def marks(page: Page) -> list[tuple[float, float]]:
    """The places of the marks, as fractions of the picture."""
    places = page.locator(".marks span").evaluate_all("all => all.map(m => [m.style.left, m.style.top])")
    return [(float(left[:-1]) / 100, float(top[:-1]) / 100) for left, top in places]


def distance(page: Page, x: float, y: float, color: str = RED) -> float:
    """How far the downloaded file is from the colour at a place, in a and b."""
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("^Download .*colorized")).click()
    rgb = torch.from_numpy(np.array(Image.open(download.value.path()).convert("RGB"))).permute(2, 0, 1)
    hint = Hint(x, y, color)
    row, column = hint.pixel(*rgb.shape[1:])
    return (rgb_to_lab(rgb / 255)[1:, row, column] - torch.tensor(hint.ab)).abs().max().item()


def test_hints_by_mouse_are_in_the_downloaded_file_and_can_be_moved_undone_and_removed(page: Page) -> None:
    before = distance(page, 0.2, 0.3)
    assert before > 5
    page.mouse.click(*point(page, 0.2, 0.3))
    ((x, y),) = marks(page)
    assert (x, y) == pytest.approx((0.2, 0.3), abs=0.01)
    wait_until(page, lambda: distance(page, x, y) < 2)
    expect(page.locator(".say")).to_have_text(f"Added {RED} at 20 % from the left and 30 % from the top.")
    page.mouse.move(*point(page, x, y))
    page.mouse.down()
    page.mouse.move(*point(page, 0.8, 0.2), steps=4)
    page.mouse.up()
    ((x, y),) = marks(page)
    assert (x, y) == pytest.approx((0.8, 0.2), abs=0.01)
    wait_until(page, lambda: distance(page, x, y) < 2)
    assert distance(page, 0.2, 0.3) > 2
    page.locator("#hints").get_by_role("button", name="Undo").click()
    assert marks(page)[0] == pytest.approx((0.2, 0.3), abs=0.01)
    page.keyboard.press("Control+z")
    assert marks(page) == []
    wait_until(page, lambda: distance(page, 0.2, 0.3) == before)
    page.locator(".stage").focus()
    page.keyboard.press("Control+Shift+z")
    assert len(marks(page)) == 1
    page.mouse.click(*point(page, 0.2, 0.3), button="right")
    assert marks(page) == []
    wait_until(page, lambda: distance(page, 0.2, 0.3) == before)


def chroma_of_preview(page: Page) -> float:
    """The largest difference between the channels of the picture under the hints, at the place of the first hint."""
    return page.locator(".stage img").evaluate(
        """image => {
            const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            context.drawImage(image, 0, 0);
            const pixel = context.getImageData(0.2 * canvas.width, 0.3 * canvas.height, 1, 1).data.slice(0, 3);
            return Math.max(...pixel) - Math.min(...pixel);
        }"""
    )


def test_the_colours_are_shown_under_the_hints(page: Page, grey_photo: Path) -> None:
    wait_until(page, lambda: 0 < chroma_of_preview(page) < 60)
    page.mouse.click(*point(page, 0.2, 0.3))
    wait_until(page, lambda: chroma_of_preview(page) > 60)
    picture = page.locator(".stage img")
    page.get_by_label("In colour").uncheck()
    expect(picture).to_have_css("filter", "grayscale(1)")
    page.get_by_label("In colour").check()
    expect(picture).to_have_css("filter", "none")
    assert len(marks(page)) == 1


def test_a_suggested_colour_is_one_click(page: Page) -> None:
    swatches, said = page.locator(".swatches button"), page.locator(".suggested span").first
    expect(said).to_contain_text("Add or select a hint")
    page.mouse.click(*point(page, 0.2, 0.3))
    expect(swatches).to_have_count(6)
    expect(said).to_have_text("Plausible here:")
    first = swatches.evaluate_all("all => all.map(b => b.dataset.suggested)")
    page.get_by_role("button", name=f"Suggested: {first[3]}").click()
    ((x, y),) = marks(page)
    wait_until(page, lambda: distance(page, x, y, first[3]) < 2)
    assert first[3] != RED
    page.mouse.click(*point(page, 0.7, 0.3))  # another hint, of the suggested colour
    expect(page.locator(".say")).to_contain_text(f"Added {first[3]}")
    wait_until(page, lambda: swatches.evaluate_all("all => all.map(b => b.dataset.suggested)") not in (first, []))
    page.mouse.click(*point(page, x, y))  # selects the first one again
    wait_until(page, lambda: swatches.evaluate_all("all => all.map(b => b.dataset.suggested)") == first)
    assert len(marks(page)) == 2
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    wait_until(page, lambda: distance(page, x, y) < 2)  # red, as before the suggestion
    page.locator("#hints").get_by_role("button", name="Clear").click()
    expect(swatches).to_have_count(0)


def test_a_reference_gives_its_tones(page: Page) -> None:
    def tone(rgb: np.ndarray) -> torch.Tensor:
        return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1) / 255)[1:].mean((1, 2))

    def distance_to_reference() -> float:
        return (tone(shown(page, 1)) - goal).norm().item()

    goal = tone(np.array(Image.open(PHOTOS / "astronaut.png").convert("RGB")))
    before = distance_to_reference()
    page.get_by_text("Reference: the tones of another picture").click()
    page.locator("#reference input[type=file]").set_input_files(PHOTOS / "astronaut.png")
    wait_until(page, lambda: distance_to_reference() < 0.6 * before)
    page.get_by_label("number input for Strength of the reference").locator("visible=true").fill("0")
    page.keyboard.press("Enter")
    wait_until(page, lambda: distance_to_reference() == before)


def test_hints_by_keyboard_are_said(page: Page) -> None:
    page.locator(".stage").focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".say")).to_have_text("80 %, 19 %")
    page.keyboard.press("Enter")
    assert marks(page) == [pytest.approx((0.8, 0.19))]
    expect(page.locator(".say")).to_have_text(f"Added {RED} at 80 % from the left and 19 % from the top.")
    wait_until(page, lambda: distance(page, 0.8, 0.19) < 2)
    page.locator(".stage").focus()
    page.keyboard.press("Delete")
    assert marks(page) == []
    page.get_by_label("Colour as hex code or name").fill("reddish")
    page.get_by_label("Colour as hex code or name").press("Enter")
    expect(page.locator(".say")).to_contain_text("reddish is not an opaque colour")


def test_hints_are_saved_and_opened_and_end_with_the_photograph(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    page.mouse.click(*point(page, 0.2, 0.3))
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save hints").click()
    saving.value.save_as(tmp_path / "hints.json")
    (hint,) = json.loads((tmp_path / "hints.json").read_text())
    assert hint["color"] == RED
    other = tmp_path / "other.png"
    Image.open(grey_photo).rotate(180).save(other)
    upload(page, other)
    wait_until(page, lambda: marks(page) == [])
    page.locator("#hints input[type=file]").set_input_files(tmp_path / "hints.json")
    wait_until(page, lambda: marks(page) == [pytest.approx((hint["x"], hint["y"]))])
    wait_until(page, lambda: distance(page, hint["x"], hint["y"]) < 2)
    (tmp_path / "wrong.json").write_text("[3]")
    page.locator("#hints input[type=file]").set_input_files(tmp_path / "wrong.json")
    expect(page.locator(".say")).to_contain_text("wrong.json holds no hints")
    assert len(marks(page)) == 1


def test_hints_stay_when_the_same_photograph_is_prepared_again(page: Page, grey_photo: Path) -> None:
    page.mouse.click(*point(page, 0.2, 0.3))
    with page.expect_response(re.compile("/upload")):
        page.locator("#photo input[type=file]").set_input_files(grey_photo)
    after = pictures(page).last
    before = after.get_attribute("src") or ""
    page.get_by_role("radio").nth(1).check()  # another network; one queue does both, so this ends later
    expect(after).not_to_have_attribute("src", before)
    assert len(marks(page)) == 1


def test_hints_by_touch(browser, app: str, grey_photo: Path) -> None:  # noqa: F811
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(app)
    expect(pictures(page)).to_have_count(2)
    start(page, grey_photo)
    page.touchscreen.tap(*point(page, 0.2, 0.3))
    ((x, y),) = marks(page)
    assert (x, y) == pytest.approx((0.2, 0.3), abs=0.02)
    wait_until(page, lambda: distance(page, x, y) < 2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
