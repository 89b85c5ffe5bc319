"""The demo in headless Chromium: on a desktop, in dark mode and on a phone. Screenshots go to artifacts/.

The server may be slow. So every assertion about the page waits: `expect` of Playwright, or `wait_until`.
"""

import base64
import io
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, PHOTOS, ROOT
from films import luma_of, mean_ab, pan, write_film
from PIL import Image

from colorgan import Hint

playwright_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
from playwright.sync_api import Browser, Locator, Page, expect  # noqa: E402

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
ARTIFACTS = ROOT / "artifacts"
TIMEOUT = 1000 * PATIENCE  # ms
expect.set_options(timeout=TIMEOUT)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (or name it in $CHROMIUM)")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with playwright_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def open_page(browser: Browser, url: str, width: int = 1280, height: int = 900) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(TIMEOUT)
    page.goto(url)
    expect(pictures(page)).to_have_count(2)  # the first example, before and after
    # the page's JavaScript has run, which makes the divider and the names of the pictures
    expect(page.get_by_role("separator")).to_be_visible()
    expect(pictures(page).last).to_have_attribute("alt", "After: with colours")
    return page


@pytest.fixture
def page(browser: Browser, app: str) -> Iterator[Page]:
    page = open_page(browser, app)
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    assert not errors
    page.close()


def pictures(page: Page) -> Locator:
    """The two pictures of the slider: before, after."""
    return page.get_by_test_id("imageslider-image")


def upload(page: Page, path: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files(path)
    expect_photograph(page, path.stem)


def expect_photograph(page: Page, name: str) -> None:
    """Wait until both pictures of the slider belong to the photograph of this name."""
    for picture in (pictures(page).first, pictures(page).last):
        expect(picture).to_have_attribute("src", re.compile(re.escape(name)))


def wait_until(page: Page, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def shown(page: Page, index: int) -> np.ndarray:
    """Return a picture of the slider as the server sent it: (H, W, 3) uint8."""
    content = page.request.get(pictures(page).nth(index).get_attribute("src"), timeout=TIMEOUT).body()
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


def test_a_notice_says_that_further_pages_are_ignored(page: Page, grey_photo: Path, tmp_path: Path) -> None:
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
    page.get_by_role("button", name="Other colours").click()
    expect(pictures(page).last).not_to_have_attribute("src", source)
    assert not np.array_equal(shown(page, 1), large)

    with page.expect_download() as download:
        page.get_by_text("Download breakfast.colorized.png").click()
    assert download.value.suggested_filename == "breakfast.colorized.png"
    np.testing.assert_array_equal(np.array(Image.open(download.value.path()).convert("RGB")), shown(page, 1))


def test_an_example_is_one_click_and_uploads_are_read_as_before(page: Page, tmp_path: Path) -> None:
    page.locator("#inputs button.gallery-item").nth(1).click()
    expect_photograph(page, "astronaut")
    page.locator("#photo").get_by_label("Remove Image").click()
    (tmp_path / "letter.png").write_text("Dear colorgan, I am a letter.")
    page.locator("#photo input[type=file]").set_input_files(tmp_path / "letter.png")
    expect(page.locator("#results .notice.prose")).to_have_text(re.compile("letter.png is not a picture"))


def drop(page: Page, event: str, data: str, photo: Path, place: str = "h1") -> None:
    """Drop a file on the page's heading or another place, or paste it."""
    page.locator(place).evaluate(
        """async (element, [event, data, name, content]) => {
            const bytes = await (await fetch("data:image/png;base64," + content)).blob();
            const files = new DataTransfer();
            files.items.add(new File([bytes], name, { type: "image/png" }));
            const happens = new Event(event, { bubbles: true, cancelable: true });
            happens[data] = files;
            element.dispatchEvent(happens);
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
        if where == "camera":  # whose panel has no file input
            page.locator("#photo").get_by_label("Remove Image").click()
            page.locator("#photo").get_by_label("Capture from camera").click()
        drop(page, event, data, photo)
        expect_photograph(page, photo.stem)


def test_text_is_pasted_where_it_belongs_although_a_picture_comes_with_it(page: Page) -> None:
    number_field = page.get_by_label("number input for Saturation").locator("visible=true")
    prevented = number_field.evaluate(
        """(field) => {
            const copied = new DataTransfer();  // as from a spreadsheet
            copied.items.add(new File(["x"], "cell.png", { type: "image/png" }));
            copied.setData("text/plain", "1.4");
            const pasted = new Event("paste", { bubbles: true, cancelable: true });
            pasted.clipboardData = copied;
            field.dispatchEvent(pasted);
            return pasted.defaultPrevented;
        }"""
    )
    assert not prevented


def test_the_page_says_that_the_demo_was_restarted(page: Page) -> None:
    heading = page.locator("#head p")
    page.route("**/app_id", lambda route: route.fulfill(status=429, json={"detail": "Too Many Requests"}))
    with page.expect_response("**/app_id"):
        heading.click()
    expect(heading).to_contain_text("it is coloured at once")
    page.unroute("**/app_id")
    page.route("**/app_id", lambda route: route.fulfill(json={"app_id": 1}))
    heading.click()
    expect(heading).to_contain_text("The demo was restarted")


def test_typing_a_number_shows_no_error(page: Page, grey_photo: Path) -> None:
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
    page.wait_for_function(  # the divider has its place when the pictures are loaded
        "[...document.querySelectorAll('#before-after img')].every((image) => image.complete && image.naturalWidth)"
    )
    divider.hover(trial=True)  # waits until it does not move
    place = divider.bounding_box()["x"]
    divider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda: divider.bounding_box()["x"] > place + 10)
    expect(pictures(page).first).to_have_attribute("alt", "Before: in grey")
    expect(pictures(page).last).to_have_attribute("alt", "After: with colours")
    unnamed = (
        "[...document.querySelectorAll('button, input, a')].filter((e) => e.offsetParent && !e.labels?.length && "
        "!(e.innerText || e.title || e.ariaLabel || e.querySelector('img')?.alt)).map((e) => e.outerHTML)"
    )
    wait_until(page, lambda: page.evaluate(unnamed) == [])


def test_all_models_side_by_side(page: Page, grey_photo: Path) -> None:
    upload(page, grey_photo)
    page.get_by_label("all, side by side").click()
    captions = page.locator("#results .caption-label")
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

    def pixels() -> list[np.ndarray]:
        with page.expect_download() as download:
            page.get_by_text("Download colorized.zip").click()
        with zipfile.ZipFile(download.value.path()) as content:
            assert content.namelist() == ["one.colorized.jpg", "two.colorized.png"]
            return [np.array(Image.open(content.open(name)).convert("RGB")) for name in content.namelist()]

    before = pixels()
    page.get_by_text("Reference: one tone for all").click()
    page.locator("#album-reference input[type=file]").set_input_files(PHOTOS / "astronaut.png")
    expect(page.locator("#album-reference img")).to_be_visible()
    page.get_by_role("button", name="Colourize again").click()
    wait_until(page, lambda: all((old != new).any() for old, new in zip(before, pixels(), strict=True)))


def test_photographs_added_to_a_running_album_are_coloured_too(page: Page, grey_photo: Path, tmp_path: Path) -> None:
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
    expect(progress).to_contain_text(re.compile("[0-3] of 4"))
    page.locator("#photos").get_by_label("Clear").click()  # this does not wait for the remaining photographs
    expect(progress).to_contain_text("Add several photographs")
    expect(page.get_by_text("Download colorized.zip")).to_have_count(0)


def test_a_film_is_stopped_coloured_and_played(page: Page, tmp_path: Path) -> None:
    write_film(tmp_path / "long.mp4", pan(500))  # long enough for a busy machine
    write_film(tmp_path / "short.mp4", pan(30), sound="aac")
    open_tab(page, "Film")
    page.locator("#film input[type=file]").set_input_files(tmp_path / "long.mp4")
    tab, progress = page.locator("#film-tab"), page.locator("#film-progress")
    start, stop = (tab.get_by_role("button", name=name, exact=True) for name in ("Colourize", "Stop"))
    expect(tab.get_by_role("cell", name="long.mp4")).to_be_visible()
    expect(stop).to_have_count(0)
    for _ in range(2):  # after Stop, a click starts it again
        start.click()
        expect(progress).to_contain_text(re.compile(r"of 20.0 s, [1-9]\d* frames, [\d.]+ frames a second"))
        expect(tab.get_by_test_id("imageslider-image")).to_have_count(2)
        expect(start).to_have_count(0)
        stop.click()
        expect(progress).to_contain_text("Stopped.")
    screenshot(page, "film-stopped")
    expect(tab.get_by_text("Download")).to_have_count(0)

    drop(page, "drop", "dataTransfer", tmp_path / "short.mp4")
    expect(tab.get_by_role("cell", name="short.mp4")).to_be_visible()
    expect(progress).to_contain_text("Add a film.")
    start.click()
    expect(progress).to_contain_text("The film is coloured.")
    expect(start).to_be_visible()
    video = tab.locator("video")
    wait_until(page, lambda: video.evaluate("video => video.readyState >= 2 && video.videoWidth") == 96)
    screenshot(page, "film")
    assert abs(video.evaluate("video => video.duration") - 1.2) < 0.1
    video.evaluate("video => { video.muted = true; return video.play() }")
    wait_until(page, lambda: video.evaluate("video => video.currentTime") > 0.2)
    assert colour(canvas_of(video)) > 3
    with page.expect_download() as download:
        tab.get_by_text("Download short.colorized.mp4").click()
    assert len(luma_of(Path(download.value.path()))) == 30


def test_a_film_takes_over_the_tone_of_a_reference(page: Page, tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", pan(10))
    (tmp_path / "letter.png").write_text("Dear colorgan, I am a letter.")
    Image.new("RGB", (32, 32), "rosybrown").save(tmp_path / "rose.png")
    open_tab(page, "Film")
    tab, progress = page.locator("#film-tab"), page.locator("#film-progress")
    tab.locator("#film input[type=file]").set_input_files(tmp_path / "film.mp4")
    expect(tab.get_by_role("cell", name="film.mp4")).to_be_visible()
    tab.get_by_text("Reference: one tone for all frames").click()

    def colourize(reference: Path) -> None:
        drop(page, "drop", "dataTransfer", reference, "#film-reference")
        expect(tab.locator("#film-reference img")).to_have_attribute("src", re.compile(reference.name))
        tab.get_by_role("button", name="Colourize", exact=True).click()

    colourize(tmp_path / "letter.png")
    expect(progress).to_contain_text("letter.png is not a picture")
    tab.get_by_label("number input for Strength of the reference").fill("1")
    page.keyboard.press("Enter")
    colourize(tmp_path / "rose.png")
    expect(progress).to_contain_text("The film is coloured.")
    screenshot(page, "film-reference")
    with page.expect_download() as download:
        tab.get_by_text("Download film.colorized.mp4").click()
    error = mean_ab(Path(download.value.path())) - Hint(0, 0, "rosybrown").ab
    assert np.linalg.norm(error) < 2


def canvas_of(video: Locator) -> np.ndarray:
    """What a video shows: (H, W, 3) uint8."""
    address = video.evaluate(
        """video => {
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            canvas.getContext("2d").drawImage(video, 0, 0);
            return canvas.toDataURL("image/png");
        }"""
    )
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def test_a_film_that_cannot_be_read_or_is_too_large_gets_a_message(page: Page, tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear colorgan, I am a letter.")
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(67 * 2**20)
    open_tab(page, "Film")
    page.get_by_role("button", name="Colourize", exact=True).click()
    expect(page.locator("#film-progress")).to_contain_text("There is no film: upload one first.")
    page.locator("#film input[type=file]").set_input_files(tmp_path / "large.mp4")
    expect(page.get_by_test_id("toast-body")).to_contain_text("66")
    page.locator("#film input[type=file]").set_input_files(tmp_path / "letter.mp4")
    expect(page.locator("#film-tab").get_by_role("cell", name="letter.mp4")).to_be_visible()
    page.get_by_role("button", name="Colourize", exact=True).click()
    expect(page.locator("#film-progress")).to_contain_text("letter.mp4 is no film that can be read")
    expect(page.get_by_role("button", name="Colourize", exact=True)).to_be_visible()


def test_the_cifar_tab_shows_samples_of_a_class_and_enlarges_them(page: Page) -> None:
    open_tab(page, "CIFAR-10")
    tiles = page.locator("#samples .grid-wrap img")
    expect(tiles).to_have_count(6 * 4)
    patterns = r"grey \d+\.\d\sdB", r"U-Net \d+\.\d\sdB", r"second \d+\.\d\sdB", "truth: (cat|cup)"
    for i, pattern in enumerate(patterns):
        expect(tiles.nth(i)).to_have_attribute("alt", re.compile(f"^{pattern}$"))
    page.get_by_label("Class").click()
    page.get_by_role("option", name="cup").click()
    expect(page.locator("#samples .grid-wrap img[alt='truth: cup']")).to_have_count(6)
    first = tiles.first.get_attribute("src")
    page.get_by_role("button", name="Show other images").click()
    expect(tiles.first).not_to_have_attribute("src", first)
    screenshot(page, "cifar")
    tiles.first.click()
    large = page.locator("#samples .preview img").first
    expect(large).to_be_visible()
    expect(large).to_have_css("image-rendering", "pixelated")


def test_the_models_tab_describes_each_model(page: Page) -> None:
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
    message = page.locator("#results .notice.prose")
    expect(message).to_have_text(re.compile("letter.png is not a picture"))
    expect(message).not_to_contain_text("/")
    expect(pictures(page)).to_have_count(0)  # the result of the previous photograph is hidden
    expect(page.locator("#results").get_by_text("Download")).to_have_count(0)
    screenshot(page, "no-picture")
    page.locator("#photo").get_by_label("Remove Image").click()
    upload(page, grey_photo)  # and the page goes on working
    expect(message).to_have_count(0)


def test_dark_mode(browser: Browser, app: str, grey_photo: Path) -> None:
    page = open_page(browser, app + "?__theme=dark")
    upload(page, grey_photo)

    def corner_is_dark() -> bool:
        corner = page.screenshot(clip={"x": 2, "y": 2, "width": 4, "height": 4})
        return np.array(Image.open(io.BytesIO(corner)).convert("RGB")).max() < 50

    wait_until(page, corner_is_dark)
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

    def result_is_below_photograph() -> bool:
        result, photo = pictures(page).last.bounding_box(), page.locator("#photo").bounding_box()
        return photo["y"] + photo["height"] < result["y"] < 600

    wait_until(page, result_is_below_photograph)
    screenshot(page, "phone-photo")
    for tab, ready in (("CIFAR-10", "#samples img"), ("Models", "#compared img"), ("Album", "#progress")):
        open_tab(page, tab)
        expect(page.locator(ready).first).to_be_visible()
        screenshot(page, f"phone-{tab.lower()}")
        wait_until(page, lambda: page.evaluate("document.documentElement.scrollWidth") == 390)
    page.close()
