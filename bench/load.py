"""How the demo bears many visitors: 32 clients that each colour 5 photographs at once, all through its HTTP endpoint.

    python bench/load.py [--clients 32] [--photos 5] [--size 1000x750]

Prints throughput, the time from a photograph's upload to its coloured bytes (p50, p95), and the server's server. The
clients run on the same cores as the server.
"""

import argparse
import asyncio
import io
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import skimage
from PIL import Image

from colorgan.inference.inputs import RENDER_SIZE

ROOT = Path(__file__).parent.parent
PHOTO = Path(skimage.__file__).parent / "data" / "astronaut.png"


async def colorize(http: httpx.AsyncClient, name: str, content: bytes) -> tuple[float, tuple[int, int]]:
    """Seconds from the upload to the coloured bytes, and their size."""
    start = time.perf_counter()
    uploaded = await http.post("upload", files={"files": (name, content)})
    photo = {"path": uploaded.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}
    data = [photo, "unet", 1, RENDER_SIZE, 0]  # model, saturation, render size, which sample
    call = await http.post("call/colorize", json={"data": data})
    event = call.raise_for_status().json()["event_id"]
    answer = (await http.get(f"call/colorize/{event}")).text
    if "event: complete" not in answer:
        raise RuntimeError(answer)
    result = json.loads(answer.rpartition("data: ")[2])[0]
    coloured = await http.get(f"file={result['path']}")
    picture = Image.open(io.BytesIO(coloured.raise_for_status().content))
    return time.perf_counter() - start, picture.size


async def visit(url: str, client: int, photos: int, size: tuple[int, int]) -> list[float]:
    """One visitor, who uploads photographs of a size that nobody else has, all at once."""
    contents = []
    for i in range(photos):
        stream = io.BytesIO()
        own = size[0] + client, size[1] + i
        Image.open(PHOTO).convert("L").resize(own).save(stream, "JPEG", quality=90)
        contents.append((own, f"{client}-{i}.jpg", stream.getvalue()))
    async with httpx.AsyncClient(base_url=f"{url}gradio_api/", timeout=600) as http:
        outcomes = await asyncio.gather(*(colorize(http, name, content) for _, name, content in contents))
    assert [size for _, size in outcomes] == [own for own, _, _ in contents], "somebody else's picture"
    return [seconds for seconds, _ in outcomes]


class Watch(threading.Thread):
    """Watches a process's resident memory, in MB, and its processor time."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.before = self.peak = self.now()

    def now(self) -> float:
        return self.process.memory_info().rss / 1e6

    def processor(self) -> float:
        """Seconds of processor time so far."""
        return sum(self.process.cpu_times()[:2])

    def run(self) -> None:
        while self.process.is_running():
            self.peak = max(self.peak, self.now())
            time.sleep(0.05)


async def load(url: str, server: Watch, options: argparse.Namespace) -> None:
    size = tuple(map(int, options.size.split("x")))
    await visit(url, 999, 1, size)  # the first is not counted
    server.start()
    start, used = time.perf_counter(), server.processor()
    clients = (visit(url, client, options.photos, size) for client in range(options.clients))
    seconds = [second for visitor in await asyncio.gather(*clients) for second in visitor]
    total, used = time.perf_counter() - start, server.processor() - used
    p50, p95 = np.percentile(seconds, [50, 95])
    print(f"{len(seconds)} photographs of {options.size} for {options.clients} clients in {total:.1f} s")
    print(f"{len(seconds) / total:.1f} photographs/s; p50 {p50:.1f} s, p95 {p95:.1f} s, longest {max(seconds):.1f} s")
    print(f"{used / len(seconds):.2f} s of one core for each, in the server")
    print(f"memory {server.before:.0f} MB before, {server.peak:.0f} MB at most, {server.now():.0f} MB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--photos", type=int, default=5, help="of each client, at once")
    parser.add_argument("--size", default="1000x750", help="of a photograph")
    options = parser.parse_args()
    port = 7861
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                httpx.get(url).raise_for_status()
                break
            except httpx.HTTPError:
                assert server.poll() is None, "the demo does not start"
                time.sleep(0.2)
        asyncio.run(load(url, Watch(server.pid), options))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
