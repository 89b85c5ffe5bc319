"""How long does the demo take to start and to colour a first photograph, and how many visitors does it serve?

    python bench/demo_speed.py [--runs 3] [--clients 32] [--photos 5]

Prints the time from `python app.py` to the page, and of the first colouring after it; then, if Chromium is installed,
the time from choosing a photograph of one megapixel to the slider that shows it, and from clicks that add hints to the
new result and to the suggested colours, in seconds and as shares of the first of these times; then the throughput when
every client uploads its photographs at once through the HTTP endpoint, the time from an upload to the coloured file
(p50, p95), and the server's memory. The clients run on the same processors as the server.
"""

import argparse
import asyncio
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import psutil
import skimage
from PIL import Image

from colorgan import DEFAULT_MODEL

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
PHOTO = Path(skimage.__file__).parent / "data" / "astronaut.png"
PORT = 7861
SIZE = 1000, 750  # of the clients' photographs, pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often the demo is started")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--photos", type=int, default=5, help="photographs of each client")
    options = parser.parse_args()
    photo = grey_jpeg((1152, 864))
    for run in range(options.runs):
        with demo() as (server, url, seconds):
            used = processor_seconds(server)  # more reliable than the time on a machine with other work
            first = asyncio.run(first_colouring(url, photo))
            print(f"page after {seconds:.2f} s ({used:.2f} s of one core), ", end="")
            print(f"first colouring (1 megapixel) in {first:.2f} s more", flush=True)
            if run == options.runs - 1:
                if chromium():
                    slider = upload_to_slider(url, photo)
                    print(f"upload to slider in Chromium: {listed(slider)} s", flush=True)
                    for what, took in click_to_result(url, photo).items():
                        share = np.median(took) / slider[0]
                        print(f"click to {what}: {listed(took)} s; median {share:.2f} of the first upload", flush=True)
                asyncio.run(load(url, server, options.clients, options.photos))


@contextmanager
def demo() -> Iterator[tuple[psutil.Process, str, float]]:
    """Start the demo; yields its process, its URL, and the seconds until its page answered."""
    start, url = time.perf_counter(), f"http://127.0.0.1:{PORT}/"
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(PORT)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                httpx.get(url).raise_for_status()
                break
            except httpx.HTTPError:
                if server.poll() is not None:
                    raise SystemExit("The demo ended before its page answered.") from None
                time.sleep(0.02)
        yield psutil.Process(server.pid), url, time.perf_counter() - start
    finally:
        server.terminate()
        server.wait()


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time that a process has used so far, in seconds."""
    times = process.cpu_times()
    return times.user + times.system


def grey_jpeg(size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.open(PHOTO).convert("L").resize(size).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def chromium() -> str | None:
    """Return the path of the installed Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


# one photograph


async def first_colouring(url: str, photo: bytes) -> float:
    async with httpx.AsyncClient(base_url=f"{url}gradio_api/", timeout=60) as http:
        return (await colorize(http, "photo.jpg", photo))[0]


async def colorize(http: httpx.AsyncClient, name: str, content: bytes) -> tuple[float, tuple[int, int]]:
    """Return the seconds from the upload to the coloured file, and the file's size in pixels."""
    start = time.perf_counter()
    uploaded = await http.post("upload", files={"files": (name, content)})
    photo = {"path": uploaded.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}
    # photo, model, saturation, render size, number of the sample, hints, reference and its strength
    arguments = [photo, DEFAULT_MODEL, 1, 0, 0, [], None, 0.7]
    call = await http.post("call/colorize", json={"data": arguments})
    event = call.raise_for_status().json()["event_id"]
    answer = (await http.get(f"call/colorize/{event}")).text
    if "event: complete" not in answer:
        raise RuntimeError(answer)
    result = json.loads(answer.rpartition("data: ")[2])[0]
    coloured = await http.get(f"file={result['path']}")
    picture = Image.open(io.BytesIO(coloured.raise_for_status().content))
    return time.perf_counter() - start, picture.size


@contextmanager
def opened_page(url: str) -> "Iterator[Page]":
    """The page in headless Chromium, when nothing more is loaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.goto(url)
        page.wait_for_load_state("networkidle")
        yield page


def upload(page: "Page", photo: bytes, name: str) -> float:
    """Choose a photograph on the page, and return the seconds until the slider shows it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.jpg"
        path.write_bytes(photo + name.encode())  # different bytes, so that the demo does not know the file
        begin = time.perf_counter()
        page.locator("#photo input[type=file]").set_input_files(path)
        page.wait_for_function(
            "(name) => [...document.querySelectorAll('#before-after img')].filter("
            "(image) => image.src.includes(name) && image.complete && image.naturalWidth).length === 2",
            arg=f"/{name}.",
        )
        return time.perf_counter() - begin


def upload_to_slider(url: str, photo: bytes) -> list[float]:
    """Return the seconds in headless Chromium for three photographs, one after another."""
    seconds = []
    with opened_page(url) as page:
        for name in ("one", "two", "three"):
            if seconds:
                page.locator("#photo").get_by_label("Remove Image").click()
            seconds.append(upload(page, photo, name))
    return seconds


def click_to_result(url: str, photo: bytes, clicks: int = 6) -> dict[str, list[float]]:
    """Return the seconds from each of several clicks that add hints to the new result, and to the suggestions."""
    seconds: dict[str, list[float]] = {"result": [], "suggestions": []}
    with opened_page(url) as page:
        upload(page, photo, "hinted")
        page.get_by_text("Hints: colours that you know").click()
        preview = page.locator(".stage img")
        preview.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        for number in range(clicks):
            before = page.locator("#before-after img").last.get_attribute("src")
            old = page.locator(".swatches").get_attribute("data-colours")
            box = preview.bounding_box()
            assert box
            begin = time.perf_counter()
            page.mouse.click(box["x"] + box["width"] * (number + 0.5) / clicks, box["y"] + box["height"] / 3)
            page.wait_for_function(
                "(before) => { const image = [...document.querySelectorAll('#before-after img')].at(-1);"
                " return image.src !== before && image.complete && image.naturalWidth; }",
                arg=before,
            )
            seconds["result"].append(time.perf_counter() - begin)
            page.wait_for_function(
                "(old) => { const shown = document.querySelector('.swatches').dataset.colours;"
                " return shown && shown !== old; }",
                arg=old,
            )
            seconds["suggestions"].append(time.perf_counter() - begin)
    return seconds


def listed(seconds: list[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)


# many visitors


async def load(url: str, server: psutil.Process, clients: int, photos: int) -> None:
    """Let all clients upload all their photographs at once, and print what that took."""
    await visit(url, clients, 1)  # not counted
    memory = Memory(server)
    memory.start()
    start, used = time.perf_counter(), processor_seconds(server)
    visits = await asyncio.gather(*(visit(url, client, photos) for client in range(clients)))
    total, used = time.perf_counter() - start, processor_seconds(server) - used
    seconds = [second for visitor in visits for second in visitor]
    p50, p95 = np.percentile(seconds, [50, 95])
    print(f"{len(seconds)} photographs of {SIZE[0]}x{SIZE[1]} for {clients} clients in {total:.1f} s")
    print(f"{len(seconds) / total:.1f} photographs/s; p50 {p50:.1f} s, p95 {p95:.1f} s, longest {max(seconds):.1f} s")
    print(f"{used / len(seconds):.2f} s of one core for each, in the server")
    print(f"memory {memory.before:.0f} MB before, {memory.peak:.0f} MB at most, {memory.now():.0f} MB after")


async def visit(url: str, client: int, photos: int) -> list[float]:
    """Colour photographs of sizes that no other client has; returns the seconds of each."""
    sizes = [(SIZE[0] + client, SIZE[1] + i) for i in range(photos)]
    contents = [grey_jpeg(size) for size in sizes]
    async with httpx.AsyncClient(base_url=f"{url}gradio_api/", timeout=600) as http:
        calls = (colorize(http, f"{client}-{i}.jpg", content) for i, content in enumerate(contents))
        outcomes = await asyncio.gather(*calls)
    if [size for _, size in outcomes] != sizes:
        raise RuntimeError("A client received another client's picture.")
    return [seconds for seconds, _ in outcomes]


class Memory(threading.Thread):
    """Records the resident memory of a process, in MB."""

    def __init__(self, process: psutil.Process):
        super().__init__(daemon=True)
        self.process = process
        self.before = self.peak = self.now()

    def now(self) -> float:
        return self.process.memory_info().rss / 1e6

    def run(self) -> None:
        while self.process.is_running():
            self.peak = max(self.peak, self.now())
            time.sleep(0.05)


if __name__ == "__main__":
    main()
