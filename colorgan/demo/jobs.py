"""What the page and the endpoints do, for any number of visitors at once and in bounded memory."""

import hashlib
import os
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch
from PIL import Image
from torch import Tensor

from colorgan.data import DatasetError, ImageSet, load_images
from colorgan.demo.uploads import MAX_FILES, MAX_PIXELS, public, refusal
from colorgan.evaluation.metrics import grey_baseline, psnr_from, squared_error
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.inputs import RENDER_SIZE
from colorgan.inference.render import render
from colorgan.photo import FORMATS, Photo, PhotoError, holds_16_bits, read_photo, write_photo

try:
    from spaces import GPU as on_gpu  # a Space on ZeroGPU lends its GPU to the functions marked so
except ImportError:

    def on_gpu(function: Callable) -> Callable:
        """Elsewhere, the function as it is."""
        return function


TITLES = {"unet": "U-Net", "cgan": "cGAN", "nogan": "NoGAN"}
ALL_CLASSES = "all classes"
TILE = 256  # pixels; a 32x32 image is shown eight times as large, every pixel a sharp square
MAX_SAMPLES = 32
MAX_SATURATION = 2
RENDER_SIZES = (16, 128)
SHOWN_BY_BROWSERS = (".png", ".jpg", ".jpeg", ".webp")
PHOTO_BUDGET, CHROMA_BUDGET = 160_000_000, 30_000_000  # bytes of lightness and of chroma that are kept
Value = TypeVar("Value")


class Recent(Generic[Value]):
    """A function that remembers its latest results, as many as fit into `budget` bytes."""

    def __init__(self, function: Callable[..., Value], budget: int, size: Callable[[Value], int]):
        self.function, self.budget, self.size = function, budget, size
        self.results: OrderedDict[Hashable, Value] = OrderedDict()
        self.lock = threading.Lock()

    def __call__(self, *key: Hashable) -> Value:
        with self.lock:
            if key in self.results:
                self.results.move_to_end(key)
                return self.results[key]
        result = self.function(*key)
        with self.lock:
            self.results[key] = result
            while sum(map(self.size, self.results.values())) > self.budget and len(self.results) > 1:
                self.results.popitem(last=False)
        return result


@dataclass
class Album:
    """How far several photographs are: results so far, a sentence for each that failed, and at last the zip file."""

    count: int
    pictures: list[tuple[Path, str]] = field(default_factory=list)  # for the browser, with captions
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was not taken over of a photograph
    archive: Path | None = None

    @property
    def done(self) -> int:
        return len(self.pictures) + len(self.failures)


class Jobs:
    """The models, the data set, and what has lately been read and predicted."""

    def __init__(self, models: dict[str, Colorizer], dataset_name: str, folder: Path):
        self.models, self.dataset_name, self.folder = models, dataset_name, folder / "results"
        self.images: ImageSet | None = None
        self.network = threading.Lock()  # photographs, albums and samples wait in queues of their own
        self.photo = Recent(_read, PHOTO_BUDGET, lambda photo: photo.lightness.nbytes)
        self.chroma = Recent(self._predict, CHROMA_BUDGET, lambda chroma: chroma.nbytes)
        # functions of their own, as ZeroGPU sends the arguments of marked ones to another process
        self.predict = on_gpu(lambda model, *settings: _predict(models[model], *settings))
        self.predict_small = on_gpu(lambda images: {name: m.colorize_batch(images) for name, m in models.items()})

    def colorize(
        self,
        photo: str | None,
        model: str | None = None,
        saturation: float = 1.0,
        render_size: int = RENDER_SIZE,
        sample: int = 0,
    ) -> Path:
        """The coloured photograph, in the format that it came in if colorgan writes it and as PNG otherwise.

        Sample 0 is what the network says, every other number another plausible colouring.
        """
        photo = _given(photo)
        suffix = Path(photo).suffix
        suffix = suffix if suffix[1:].lower() in FORMATS else ".png"
        return self._result(photo, model, saturation, render_size, sample, suffix)

    def picture(
        self,
        photo: str | None,
        model: str | None = None,
        saturation: float = 1.0,
        render_size: int = RENDER_SIZE,
        sample: int = 0,
    ) -> Path:
        """The coloured photograph as browsers show it: the same file unless they do not know its format."""
        photo = _given(photo)
        suffix = Path(photo).suffix
        suffix = suffix if suffix.lower() in SHOWN_BY_BROWSERS else ".png"
        return self._result(photo, model, saturation, render_size, sample, suffix)

    def grey(self, photo: str | None) -> Path:
        """The photograph without colours, as browsers show it."""
        return self.picture(photo, saturation=0)

    def notes(self, photo: str | None) -> list[str]:
        """What was not taken over of the photograph, in sentences."""
        photo = _given(photo)
        return [f"{Path(photo).name}: {note}" for note in self.photo(photo).notes]

    def compare(
        self, photo: str | None, saturation: float = 1.0, render_size: int = RENDER_SIZE, sample: int = 0
    ) -> list[tuple[Path, str]]:
        """The photograph in grey and in the colours of every model, each with its name."""
        coloured = [(self.picture(photo, name, saturation, render_size, sample), title(name)) for name in self.models]
        return [(self.grey(photo), "grey"), *coloured]

    def colorize_all(
        self, photos: list[str], model: str, saturation: float = 1.0, render_size: int = RENDER_SIZE
    ) -> Iterator[Album]:
        """Colourize photographs one after another; gives the album before the first, after each, and with its zip."""
        if not photos:
            raise refusal("There are no photographs: give some first.")
        if len(photos) > MAX_FILES:
            raise refusal(f"{len(photos)} photographs are too many at once: give at most {MAX_FILES}.")
        album, results = Album(len(photos)), []
        yield album
        for photo in photos:
            try:
                results.append(self.colorize(photo, model, saturation, render_size))
                picture = self.picture(photo, model, saturation, render_size)
                album.pictures.append((picture, results[-1].name))
                album.notes += self.notes(photo)
            except PhotoError as error:
                album.failures.append(str(error))
            yield album
        if results:
            album.archive = self._archive(results)
        yield album

    def sample(
        self, class_name: str = ALL_CLASSES, seed: int = 0, count: int = 6
    ) -> tuple[list[tuple[Image.Image, str]], list[dict]]:
        """Test images of a class: pictures of grey, each model's colours and the truth; and their PSNR in dB."""
        images = self.test_images()
        choices = [ALL_CLASSES, *images.class_names]
        if class_name not in choices:
            raise refusal(f"There is no class {class_name}: choose one of {', '.join(choices)}.")
        if not 1 <= count <= MAX_SAMPLES:
            raise refusal(f"From 1 to {MAX_SAMPLES} images can be shown, not {count}.")
        candidates = torch.arange(len(images))
        if class_name != ALL_CLASSES:
            candidates = candidates[images.labels == images.class_names.index(class_name)]
        if not len(candidates):
            which = "" if class_name == ALL_CLASSES else f" of {class_name}"
            raise refusal(f"All test images{which} are grey: there is nothing to compare.")
        order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(int(seed or 0) % 2**63))
        chosen = images[candidates[order[: int(count)]]]
        with self.network:
            columns = {"grey": grey_baseline(chosen.images)} | {
                title(name): output.cpu() for name, output in self.predict_small(chosen.images).items()
            }
        psnr = {name: psnr_from(squared_error(output, chosen.images)) for name, output in columns.items()}
        pictures, figures = [], []
        for i, truth in enumerate(chosen.images):
            label = chosen.class_names[chosen.labels[i]] if chosen.class_names else None
            pictures += [(_tile(output[i]), f"{name} {psnr[name][i]:.1f}\u00a0dB") for name, output in columns.items()]
            pictures.append((_tile(truth), f"truth: {label}" if label else "truth"))
            rounded = {name: round(values[i].item(), 2) for name, values in psnr.items()}
            figures.append({"class": label, "psnr": rounded})
        return pictures, figures

    def test_images(self) -> ImageSet:
        """The coloured test images, fetched at the first call."""
        if self.images is None:
            try:
                self.images, _ = load_images(self.dataset_name, "test").without_grey()
            except DatasetError as error:
                raise refusal(public(error, self.dataset_name)) from error
        return self.images

    def _predict(self, photo: str, model: str, render_size: int, sample: int) -> Tensor:
        with self.network:
            return self.predict(model, Photo(self.photo(photo).lightness), render_size, sample)

    def _result(
        self, photo: str, model: str | None, saturation: float, render_size: int, sample: int, suffix: str
    ) -> Path:
        model = next(iter(self.models)) if model is None else model
        _check(saturation, render_size)
        # of grey there is one for all models
        settings = (model, saturation, render_size, sample) if saturation else ("grey",)
        key = hashlib.sha256(repr((photo, *settings)).encode()).hexdigest()[:32]
        result = self.folder / key / f"{Path(photo).stem}.{'colorized' if saturation else 'grey'}{suffix}"
        if result.is_file():
            os.utime(result)  # it is wanted: `tidy` goes by age
            return result
        picture = self.photo(photo)
        chroma = torch.zeros(2, 16, 16) if saturation == 0 else self.chroma(photo, model, render_size, sample)
        bits = picture.bits if holds_16_bits(suffix[1:]) else 8
        pixels = render(picture, chroma, saturation=saturation, bits=bits)
        with _written_whole(result) as path:
            write_photo(path, pixels, picture)
        return result

    def _archive(self, results: list[Path]) -> Path:
        key = hashlib.sha256(repr(results).encode()).hexdigest()[:32]
        archive = self.folder / key / "colorized.zip"
        names: set[str] = set()
        with _written_whole(archive) as path, zipfile.ZipFile(path, "w") as file:  # pictures are compressed already
            for result in results:
                stem, _, ending = result.name.rpartition(".colorized")
                name, number = result.name, 1
                while name in names:
                    number += 1
                    name = f"{stem} ({number}).colorized{ending}"
                names.add(name)
                file.write(result, name)
        return archive


@contextmanager
def _written_whole(target: Path) -> Iterator[Path]:
    """A path to write to, whose file then appears as `target`; another queue may make the same one meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        yield Path(folder) / target.name
        os.replace(Path(folder) / target.name, target)


def _read(photo: str) -> Photo:
    if not Path(photo).exists():
        raise PhotoError(f"{Path(photo).name} has been deleted, as everything here is after an hour: give it again.")
    return read_photo(photo, max_pixels=MAX_PIXELS)


def _predict(colorizer: Colorizer, photo: Photo, render_size: int, sample: int) -> Tensor:
    generator = torch.Generator().manual_seed(sample) if sample else None
    return colorizer.predict(photo, render_size=render_size, generator=generator).cpu()


def _given(photo: str | None) -> str:
    if photo is None:
        raise refusal("There is no photograph: give one first.")
    return photo


def _check(saturation: float, render_size: int) -> None:
    if not 0 <= saturation <= MAX_SATURATION:
        raise refusal(f"The saturation is from 0 to {MAX_SATURATION}, not {saturation}.")
    least, most = RENDER_SIZES
    if not least <= render_size <= most or render_size % 16:
        raise refusal(f"The render size is a multiple of 16 from {least} to {most}, not {render_size}.")


def _tile(image: Tensor) -> Image.Image:
    """An image (3, H, W) uint8, enlarged without smoothing."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    return picture.resize((TILE, TILE), Image.Resampling.NEAREST)


def title(name: str) -> str:
    """How a model is called on the page."""
    return TITLES.get(name, name)
