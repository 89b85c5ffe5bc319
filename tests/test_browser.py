"""The demo in headless Chromium, as a visitor on a desk, in the dark and on a phone; screenshots go to artifacts/."""

import base64
import io
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with playwright_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


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


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_what_is_not_taken_over_of_a_photograph_is_said(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    sheet = Image.open(grey_photo)
    sheet.save(tmp_path / "pages.tif", save_all=True, append_images=[sheet.rotate(180)])
    upload(page, tmp_path / "pages.tif")
    expect(page.get_by_text("pages.tif: Only the first of its 2 pages was taken.")).to_be_visible()


def test_an_upload_is_coloured_at_once_and_saturation_model_and_download_follow(page: Page, grey_photo: Path) -> None:
    upload(page, grey_photo)
    before, after = shown(page, 0), shown(page, 1)
    assert before.shape == after.shape == (400, 600, 3)
    assert colour(before) < 1
    assert colour(after) > 4
    screenshot(page, "photo")

    def change(label: str, value: str) -> None:
        source = pictures(page).last.get_attribute("src")
        page.get_by_label(f"number input for {label}").fill(value)
        page.keyboard.press("Enter")
        expect(pictures(page).last).not_to_have_attribute("src", source)

    change("Saturation", "2")
    assert colour(shown(page, 1)) > 1.3 * colour(after)
    vivid = shown(page, 1)
    change("Render size", "64")
    assert not np.array_equal(shown(page, 1), vivid)
    large, source = shown(page, 1), pictures(page).last.get_attribute("src")
    page.get_by_role("button", name="Another one").click()
    expect(pictures(page).last).not_to_have_attribute("src", source)
    assert not np.array_equal(shown(page, 1), large)

    with page.expect_download() as download:
        page.get_by_text("Download breakfast.colorized.png").click()
    assert download.value.suggested_filename == "breakfast.colorized.png"
    np.testing.assert_array_equal(np.array(Image.open(download.value.path()).convert("RGB")), shown(page, 1))


def test_an_example_is_one_click_and_uploads_are_read_as_before(page: Page, tmp_path: Path) -> None:
    page.locator("#give button.gallery-item").nth(1).click()
    expect(pictures(page).last).to_have_attribute("src", re.compile("astronaut"))
    page.locator("#photo").get_by_label("Remove Image").click()
    (tmp_path / "letter.png").write_text("Dear colorgan, I am a letter.")
    page.locator("#photo input[type=file]").set_input_files(tmp_path / "letter.png")
    expect(page.locator("#get .notice.prose")).to_have_text(re.compile("letter.png is not a picture"))


def drop(page: Page, event: str, data: str, photo: Path) -> None:
    """Drop a file on the page's heading, or paste it."""
    page.evaluate(
        """async ([event, data, name, content]) => {
            const bytes = await (await fetch("data:image/png;base64," + content)).blob();
            const files = new DataTransfer();
            files.items.add(new File([bytes], name, { type: "image/png" }));
            const happens = new Event(event, { bubbles: true, cancelable: true });
            happens[data] = files;
            document.querySelector("h1").dispatchEvent(happens);
        }""",
        [event, data, photo.name, base64.b64encode(photo.read_bytes()).decode()],
    )


def test_another_photograph_may_be_dropped_or_pasted_anywhere(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    upload(page, grey_photo)
    for event, data, where in (
        ("drop", "dataTransfer", ""),
        ("paste", "clipboardData", ""),
        ("drop", "dataTransfer", "tab"),
        ("paste", "clipboardData", "camera"),
    ):
        photo = tmp_path / f"{event}-{where}.png"
        shutil.copy(grey_photo, photo)
        if where == "tab":
            open_tab(page, "Models")
        if where == "camera":  # whose panel has no place for files
            page.locator("#photo").get_by_label("Remove Image").click()
            page.locator("#photo").get_by_label("Capture from camera").click()
        drop(page, event, data, photo)
        expect(pictures(page).last).to_have_attribute("src", re.compile(photo.stem))


def test_text_is_pasted_where_it_belongs_although_a_picture_comes_with_it(page: Page) -> None:
    prevented = page.evaluate(
        """() => {
            const copied = new DataTransfer();  // as from a spreadsheet
            copied.items.add(new File(["x"], "cell.png", { type: "image/png" }));
            copied.setData("text/plain", "1.4");
            const pasted = new Event("paste", { bubbles: true, cancelable: true });
            pasted.clipboardData = copied;
            document.querySelector("#get input[type=number]").dispatchEvent(pasted);
            return pasted.defaultPrevented;
        }"""
    )
    assert not prevented


def test_a_demo_that_was_started_anew_is_said(page: Page) -> None:
    heading = page.locator("#head p")
    page.route("**/app_id", lambda route: route.fulfill(status=429, json={"detail": "Too Many Requests"}))
    with page.expect_response("**/app_id"):
        heading.click()
    expect(heading).to_contain_text("its colours appear at once")
    page.unroute("**/app_id")
    page.route("**/app_id", lambda route: route.fulfill(json={"app_id": 1}))
    heading.click()
    expect(heading).to_contain_text("The demo was started anew")


def test_typing_a_number_is_no_mistake(page: Page, grey_photo: Path) -> None:
    upload(page, grey_photo)
    source = pictures(page).last.get_attribute("src")
    for label, value in (("Saturation", "1.4"), ("Render size", "100")):
        page.get_by_label(f"number input for {label}").press("ControlOrMeta+a")
        page.keyboard.press("Backspace")
        page.keyboard.type(value, delay=50)
    expect(pictures(page).last).not_to_have_attribute("src", source)
    page.wait_for_load_state("networkidle")
    expect(page.get_by_test_id("toast-body")).to_have_count(0)


def test_the_keyboard_moves_the_divider_and_pictures_say_what_they_are(page: Page) -> None:
    divider = page.get_by_role("separator", name="Divider between before and after")
    page.wait_for_load_state("networkidle")  # the divider is placed when the pictures are there
    place = divider.bounding_box()["x"]
    divider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(x) => document.querySelector('#before-after [role=separator]').getBoundingClientRect().x > x + 10", arg=place
    )
    assert [picture.get_attribute("alt") for picture in pictures(page).all()] == [
        "Before: in grey",
        "After: with colours",
    ]
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, a')].filter((e) => e.offsetParent && !e.labels?.length && "
        "!(e.innerText || e.title || e.ariaLabel || e.querySelector('img')?.alt)).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_all_models_side_by_side(page: Page, grey_photo: Path) -> None:
    upload(page, grey_photo)
    page.get_by_label("all, side by side").click()
    captions = page.locator("#get .caption-label")
    expect(captions).to_have_text(["grey", "U-Net", "second"])
    screenshot(page, "side-by-side")
    page.get_by_role("tabpanel").get_by_label("second").first.click()
    expect(captions).to_have_count(0)
    expect(pictures(page).last).to_be_visible()


def test_several_photographs_come_back_as_one_zip(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    for name in ("one.jpg", "two.png"):
        Image.open(grey_photo).save(tmp_path / name)
    (tmp_path / "letter.png").write_text("Dear colorgan, I am a letter.")
    open_tab(page, "Album")
    files = page.locator("#photos input[type=file]")
    files.set_input_files([tmp_path / name for name in ("one.jpg", "letter.png", "two.png")])
    progress = page.locator("#progress")
    expect(progress).to_contain_text("2 of 3 photographs are coloured.")
    expect(progress).to_contain_text("letter.png is not a picture")
    expect(page.locator("#album img")).to_have_count(2)
    screenshot(page, "album")
    with page.expect_download() as download:
        page.get_by_text("Download colorized.zip").click()
    with zipfile.ZipFile(download.value.path()) as content:
        assert content.namelist() == ["one.colorized.jpg", "two.colorized.png"]


def test_photographs_added_to_an_album_at_work_are_coloured_too(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    for name in "abcd":
        Image.open(grey_photo).resize((1500, 1000)).save(tmp_path / f"{name}.png")
    open_tab(page, "Album")
    page.locator("#photos input[type=file]").set_input_files([tmp_path / f"{name}.png" for name in "abc"])
    progress = page.locator("#progress")
    expect(progress).to_contain_text("of 3 photographs are coloured")
    drop(page, "drop", "dataTransfer", tmp_path / "d.png")
    expect(progress).to_contain_text("4 of 4 photographs are coloured.")
    page.get_by_role("tabpanel").get_by_label("second").first.click()
    page.get_by_role("button", name="Colourize again").click()
    expect(progress).to_contain_text(re.compile("[01] of 4"))
    page.locator("#photos").get_by_label("Clear").click()  # it does not wait for the others
    expect(progress).to_contain_text("Drop in several photographs")
    expect(page.get_by_text("Download colorized.zip")).to_have_count(0)


def test_the_cifar_tab_shows_samples_of_a_class_and_enlarges_them(page: Page) -> None:
    open_tab(page, "CIFAR-10")
    tiles = page.locator("#samples .grid-wrap img")
    expect(tiles).to_have_count(6 * 4)
    names = [tile.get_attribute("alt") for tile in tiles.all()[:4]]
    patterns = r"grey \d+\.\d\sdB", r"U-Net \d+\.\d\sdB", r"second \d+\.\d\sdB", "truth: (cat|cup)"
    for name, pattern in zip(names, patterns, strict=True):
        assert re.fullmatch(pattern, name)
    page.get_by_label("Class").click()
    page.get_by_role("option", name="cup").click()
    expect(page.locator("#samples .grid-wrap img[alt='truth: cup']")).to_have_count(6)
    first = tiles.first.get_attribute("src")
    page.get_by_role("button", name="Show others").click()
    expect(tiles.first).not_to_have_attribute("src", first)
    screenshot(page, "cifar")
    tiles.first.click()
    large = page.locator("#samples .preview img").first
    expect(large).to_be_visible()
    assert large.evaluate("(image) => getComputedStyle(image).imageRendering") == "pixelated"


def test_the_models_tab_says_what_each_is(page: Page) -> None:
    open_tab(page, "Models")
    expect(page.locator("#compared img")).to_have_count(3)
    expect(page.locator(".model")).to_have_count(2)
    expect(page.locator(".model table").first).to_contain_text("psnr")
    screenshot(page, "models")


def test_a_file_that_is_no_picture_gets_a_clean_message(page: Page, grey_photo: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.png"
    letter.write_text("Dear colorgan, I am a letter.")
    upload(page, grey_photo)
    page.locator("#photo").get_by_label("Remove Image").click()
    page.locator("#photo input[type=file]").set_input_files(letter)
    message = page.locator("#get .notice.prose")
    expect(message).to_have_text(re.compile("letter.png is not a picture"))
    assert "/" not in message.inner_text()
    expect(pictures(page)).to_have_count(0)  # nor is there anything of the photograph before
    expect(page.locator("#get").get_by_text("Download")).to_have_count(0)
    screenshot(page, "no-picture")
    page.locator("#photo").get_by_label("Remove Image").click()
    upload(page, grey_photo)  # and the page goes on working
    expect(message).to_have_count(0)


def test_dark_mode(browser: Browser, app: str, grey_photo: Path) -> None:
    page = open_page(browser, app + "?__theme=dark")
    upload(page, grey_photo)
    red, green, blue = re.findall(r"\d+", page.evaluate(BACKGROUND))[:3]
    assert max(int(red), int(green), int(blue)) < 50
    screenshot(page, "dark-photo")
    open_tab(page, "CIFAR-10")
    expect(page.locator("#samples img")).to_have_count(6 * 4)
    screenshot(page, "dark-cifar")
    open_tab(page, "Models")
    expect(page.locator("#compared img")).to_have_count(3)
    screenshot(page, "dark-models")
    page.close()


def test_a_phone_shows_the_result_under_the_photograph_and_needs_no_sideways_scrolling(
    browser: Browser, app: str, grey_photo: Path
) -> None:
    page = open_page(browser, app, width=390, height=844)
    upload(page, grey_photo)
    result, photo = pictures(page).last.bounding_box(), page.locator("#photo").bounding_box()
    assert photo["y"] + photo["height"] < result["y"] < 600
    screenshot(page, "phone-photo")
    for tab, ready in (("CIFAR-10", "#samples img"), ("Models", "#compared img"), ("Album", "#progress")):
        open_tab(page, tab)
        expect(page.locator(ready).first).to_be_visible()
        screenshot(page, f"phone-{tab.lower()}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()
