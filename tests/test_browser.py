"""The demo in headless Chromium, as a visitor on a desk, in the dark and on a phone; screenshots go to artifacts/."""

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

playwright_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
ARTIFACTS = ROOT / "artifacts"
BACKGROUND = "getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
PATIENCE = 60_000  # ms; a busy machine is slow, and nothing here measures time

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (or name it in $CHROMIUM)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def open_page(browser: Browser, url: str, width: int = 1280, height: int = 900) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(url)
    expect(pictures(page)).to_have_count(2)  # the first example, before and after
    return page


@pytest.fixture
def page(browser: Browser, app: str) -> Iterator[Page]:
    page = open_page(browser, app)
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    assert not errors
    page.close()


def pictures(page: Page):
    """The two pictures of the slider."""
    return page.get_by_test_id("imageslider-image")


def upload(page: Page, path: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files(path)
    expect(pictures(page).last).to_have_attribute("src", re.compile(re.escape(path.stem)))


def shown(page: Page, index: int) -> np.ndarray:
    """A picture of the slider, as the server gave it: (H, W, 3) uint8."""
    content = page.request.get(pictures(page).nth(index).get_attribute("src")).body()
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def colour(image: np.ndarray) -> float:
    """Mean difference between a pixel's largest and smallest channel, 0..255."""
    return float(np.ptp(image.astype(int), axis=2).mean())


def screenshot(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def test_an_upload_is_coloured_at_once_and_saturation_and_download_follow(page: Page, grey_photo: Path) -> None:
    upload(page, grey_photo)
    before, after = shown(page, 0), shown(page, 1)
    assert before.shape == after.shape == (400, 600, 3)
    assert colour(before) < 1
    assert colour(after) > 4
    screenshot(page, "photo")

    source = pictures(page).last.get_attribute("src")
    page.get_by_label("number input for Saturation").fill("2")
    page.keyboard.press("Enter")
    expect(pictures(page).last).not_to_have_attribute("src", source)
    assert colour(shown(page, 1)) > 1.3 * colour(after)

    with page.expect_download() as download:
        page.get_by_text("Download as PNG").click()
    assert download.value.suggested_filename == "breakfast.colorized.png"
    np.testing.assert_array_equal(np.array(Image.open(download.value.path()).convert("RGB")), shown(page, 1))


def test_an_example_is_one_click(page: Page) -> None:
    page.locator("#give button.gallery-item").nth(1).click()
    expect(pictures(page).last).to_have_attribute("src", re.compile("chelsea"))


def test_all_models_side_by_side(page: Page, grey_photo: Path) -> None:
    upload(page, grey_photo)
    page.get_by_label("all, side by side").click()
    captions = page.locator("#get .caption-label")
    expect(captions).to_have_text(["grey", "U-Net", "second"])
    screenshot(page, "side-by-side")
    page.get_by_label("second").click()
    expect(captions).to_have_count(0)
    expect(pictures(page).last).to_be_visible()


def test_the_cifar_tab_shows_samples_of_a_class(page: Page) -> None:
    page.get_by_role("tab", name="CIFAR-10").click()
    strips = page.locator("#samples img")
    expect(strips).to_have_count(8)
    expect(strips.first).to_have_attribute("alt", re.compile(r"^(cat|cup): grey \d+\.\d\sdB \| U-Net .* \| truth$"))
    page.get_by_label("Class").click()
    page.get_by_role("option", name="cup").click()
    expect(page.locator("#samples img[alt^=cup]")).to_have_count(8)
    first = strips.first.get_attribute("alt")
    page.get_by_role("button", name="Show others").click()
    expect(strips.first).not_to_have_attribute("alt", first)
    screenshot(page, "cifar")


def test_a_file_that_is_no_picture_gets_a_clean_message(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.png"
    letter.write_text("Dear colorgan, I am a letter.")
    page.locator("#photo input[type=file]").set_input_files(letter)
    message = page.get_by_test_id("toast-body")
    expect(message).to_contain_text("letter.png")
    assert "/" not in message.inner_text()
    screenshot(page, "no-picture")
    page.locator("#photo").get_by_label("Remove Image").click()
    upload(page, grey_photo)  # and the page goes on working


def test_dark_mode(browser: Browser, app: str, grey_photo: Path) -> None:
    page = open_page(browser, app + "?__theme=dark")
    upload(page, grey_photo)
    red, green, blue = re.findall(r"\d+", page.evaluate(BACKGROUND))[:3]
    assert max(int(red), int(green), int(blue)) < 50
    screenshot(page, "dark-photo")
    page.get_by_role("tab", name="CIFAR-10").click()
    expect(page.locator("#samples img")).to_have_count(8)
    screenshot(page, "dark-cifar")
    page.close()


def test_a_phone_shows_the_result_under_the_photograph_and_needs_no_sideways_scrolling(
    browser: Browser, app: str, grey_photo: Path
) -> None:
    page = open_page(browser, app, width=390, height=844)
    upload(page, grey_photo)
    result, photo = pictures(page).last.bounding_box(), page.locator("#photo").bounding_box()
    assert photo["y"] + photo["height"] < result["y"] < 600
    screenshot(page, "phone-photo")
    page.get_by_role("tab", name="CIFAR-10").click()
    expect(page.locator("#samples img")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    strip = page.locator("#samples img").first.bounding_box()
    assert strip["x"] + strip["width"] < 390
    screenshot(page, "phone-cifar")
    page.close()
