"""How long the demo takes to start, and to colour the first photograph: `python bench/start.py [--runs 3]`.

Prints what each part of the start costs, the time from `python app.py` to the page, the first colouring after it, and,
where Chromium is installed, the time from choosing a photograph of one megapixel to the slider that shows it.
"""

import argparse
import asyncio
import io
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import psutil
from load import PHOTO, ROOT, colorize
from PIL import Image

PARTS = """
import os, sys, tempfile, time
from pathlib import Path
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
start = time.process_time()
def lap(name):
    global start
    print(f"  {name:24}{time.process_time() - start:6.2f} s")
    start = time.process_time()
import torch; lap("import torch")
import gradio; lap("import gradio")
from colorgan.demo import start as demo; lap("import colorgan")
models, sources, notices = demo.load_models(["unet", "cgan", "nogan"]); lap("three networks")
folder = Path(tempfile.mkdtemp()); os.environ["GRADIO_TEMP_DIR"] = str(folder)
page = demo.build(demo.Jobs(models, "none", folder), sources, notices); lap("examples and page")
page.launch(prevent_thread_lock=True, quiet=True, **demo.LAUNCH_OPTIONS); lap("server")
os._exit(0)
"""


def started(port: int) -> tuple[subprocess.Popen, float]:
    """The demo, and the seconds until its page was there."""
    start = time.perf_counter()
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
            return server, time.perf_counter() - start
        except urllib.error.URLError:
            assert server.poll() is None, "the demo does not start"
            time.sleep(0.02)


async def first_colouring(port: int, photo: bytes) -> float:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/gradio_api/", timeout=60) as http:
        return (await colorize(http, "photo.jpg", photo))[0]


def upload_to_slider(port: int, photo: bytes) -> list[float]:
    """Seconds in headless Chromium for the first and for two more photographs."""
    from playwright.sync_api import sync_playwright

    seconds = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_load_state("networkidle")
        for name in ("one", "two", "three"):
            path = Path(folder) / f"{name}.jpg"
            path.write_bytes(photo + name.encode())  # another file for each
            if seconds:
                page.locator("#photo").get_by_label("Remove Image").click()
            begin = time.perf_counter()
            page.locator("#photo input[type=file]").set_input_files(path)
            page.wait_for_function(
                "(name) => [...document.querySelectorAll('#before-after img')].filter("
                "(image) => image.src.includes(name) && image.complete && image.naturalWidth).length === 2",
                arg=f"/{name}.",
            )
            seconds.append(time.perf_counter() - begin)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    stream = io.BytesIO()
    Image.open(PHOTO).convert("L").resize((1152, 864)).save(stream, "JPEG", quality=92)
    photo = stream.getvalue()
    print("parts, in seconds of one core:", flush=True)
    subprocess.run([sys.executable, "-c", PARTS], cwd=ROOT, check=True)
    for run in range(runs):
        server, seconds = started(7862)
        try:
            used = sum(psutil.Process(server.pid).cpu_times()[:2])  # what counts on a machine that is busy otherwise
            first = asyncio.run(first_colouring(7862, photo))
            print(f"page after {seconds:.2f} s ({used:.2f} s of one core), ", end="")
            print(f"first colouring (1 megapixel) in {first:.2f} s more", flush=True)
            if run == runs - 1 and (shutil.which("chromium") or shutil.which("chromium-browser")):
                took = ", ".join(f"{each:.2f}" for each in upload_to_slider(7862, photo))
                print(f"upload to slider in Chromium: {took} s")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
