"""The demo in a browser: colourize a photograph, and see CIFAR-10 test images beside what the networks make of them."""

import argparse
import functools
import hashlib
import os
import tempfile
import threading
from pathlib import Path

import skimage
import torch
from PIL import Image
from torch import Tensor

from colorgan.colorizer import Colorizer
from colorgan.data import DatasetError, ImageSet, load_images
from colorgan.hub import CheckpointError, bundled_generators, bundled_names
from colorgan.metrics import grey_baseline, psnr_from, squared_error
from colorgan.photo import PhotoError, read_photo, write_photo
from colorgan.render import render

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
import gradio as gr

TITLES = {"unet": "U-Net", "cgan": "cGAN", "nogan": "NoGAN"}
ALL_MODELS, ALL_CLASSES = "all, side by side", "all classes"
PHOTOS = Path(skimage.__file__).parent / "data"  # inside the package; skimage.data itself may go to the network
EXAMPLES = [str(PHOTOS / name) for name in ("coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png")]
TILE, GAP = 160, 4  # pixels; a 32x32 image is shown five times as large, every pixel a sharp square
GALLERY = {"format": "png", "height": "auto", "show_label": False, "elem_classes": "pictures"}

THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="stone",
    font=["ui-sans-serif", "system-ui", "sans-serif"],  # the visitor's own, so that no font is fetched
).set(body_background_fill="*neutral_100", link_text_color="*primary_700", link_text_color_dark="*primary_300")
CSS = """
.gradio-container { max-width: 1100px !important; width: 100% !important; margin: 0 auto !important; }
#head h1 { font-size: 2.2rem; margin: 0; width: fit-content; color: transparent; background-clip: text;
  background-image: linear-gradient(90deg, #8a8a8a 25%, #0d9488 55%, #d97706 80%, #db2777); }
.pictures .grid-wrap { max-height: none; }
.pictures .thumbnail-item { aspect-ratio: auto; height: auto; border: 0; box-shadow: none; background: none; }
.pictures .caption-label { position: static; max-width: none; border: 0; background: none; text-align: left;
  white-space: normal; }
#samples img { width: 100%; image-rendering: pixelated; }
@media (max-width: 700px) {  /* a phone shows the result right under the photograph, the examples last */
  #give { display: contents; }
  #give > * { order: 2; width: 100%; }
  #give > #photo { order: 0; }
  #get { order: 1; }
  #samples .grid-container { grid-template-columns: minmax(0, 1fr) !important; }
}
"""


class Demo:
    """The models and the data set behind the page, and the functions its events call."""

    def __init__(self, models: dict[str, Colorizer], dataset_name: str, notices: list[str]):
        self.models, self.dataset_name, self.notices = models, dataset_name, notices
        self.images: ImageSet | None = None
        self.network_lock = threading.Lock()  # sampling has a queue of its own, since it may wait for a download
        self.read = functools.lru_cache(2)(read_photo)  # lightness, 4 bytes a pixel, of at most two photographs
        self.predict = functools.lru_cache(64)(self._predict)  # a few KB each: no network runs when saturation changes
        _uploads().mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=_uploads()))  # there, so that delete_cache clears the results as well

    def colorize(self, photo: str | None, model: str, saturation: float = 1.0) -> str:
        """Colourize a photograph of any common format; gives a PNG of the same size and lightness."""
        if photo is None:
            raise _refusal("There is no photograph: give one first.")
        key = hashlib.sha256(repr((photo, model, saturation)).encode()).hexdigest()[:24]
        result = self.folder / key / f"{Path(photo).stem}.colorized.png"
        if result.is_file():
            os.utime(result)  # delete_cache goes by age
            return str(result)
        try:
            picture = self.read(photo)
            pixels = render(picture, self.predict(photo, model), saturation=saturation, bits=picture.bits)
            result.parent.mkdir(exist_ok=True)
            write_photo(result, pixels, picture)
        except PhotoError as error:
            raise _refusal(str(error)) from error
        return str(result)

    def _predict(self, photo: str, model: str) -> Tensor:
        with self.network_lock:
            return self.models[model].predict(self.read(photo))

    def show(self, photo: str | None, model: str, saturation: float) -> tuple[gr.Component, ...]:
        """What the slider, the gallery and the download button become; without a photograph, the first example's."""
        photo = photo or EXAMPLES[0]
        grey = self.colorize(photo, next(iter(self.models)), 0.0)
        if model == ALL_MODELS:
            pictures = [(self.colorize(photo, name, saturation), title(name)) for name in self.models]
            gallery = gr.Gallery([(grey, "grey"), *pictures], visible=True)
            return gr.ImageSlider(visible=False), gallery, gr.DownloadButton(visible=False)
        result = self.colorize(photo, model, saturation)
        slider = gr.ImageSlider((grey, result), visible=True)
        return slider, gr.Gallery(visible=False), gr.DownloadButton(value=result, visible=True)

    def sample(self, class_name: str = ALL_CLASSES, seed: int = 0, count: int = 8) -> list[tuple[Image.Image, str]]:
        """Draw test images of a class (or `all classes`); gives strips of grey, each model's colours and the truth."""
        images = self.test_images()
        choices = [ALL_CLASSES, *images.class_names]
        if class_name not in choices:
            raise _refusal(f"There is no class {class_name}: choose one of {', '.join(choices)}.")
        candidates = torch.arange(len(images))
        if class_name != ALL_CLASSES:
            candidates = candidates[images.labels == images.class_names.index(class_name)]
        order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed))
        chosen = images[candidates[order[:count]]]
        columns = {"grey": grey_baseline(chosen.images)}
        with self.network_lock:
            columns |= {title(name): model.colorize_batch(chosen.images) for name, model in self.models.items()}
        figures = {name: psnr_from(squared_error(output, chosen.images)) for name, output in columns.items()}
        strips = []
        for i, truth in enumerate(chosen.images):
            label = f"{chosen.class_names[chosen.labels[i]]}: " if chosen.class_names else ""
            caption = " | ".join([f"{name} {psnr[i]:.1f}\u00a0dB" for name, psnr in figures.items()] + ["truth"])
            strips.append((_strip([*(output[i] for output in columns.values()), truth]), label + caption))
        return strips

    def test_images(self) -> ImageSet:
        """The coloured test images, fetched at the first call."""
        if self.images is None:
            try:
                self.images, _ = load_images(self.dataset_name, "test").without_grey()
            except DatasetError as error:
                raise _refusal(_public(error, self.dataset_name)) from error
        return self.images

    def show_samples(self, class_name: str, seed: int, count: int) -> tuple[gr.Component, ...]:
        """What the class list, the gallery and the line that says what is missing become."""
        try:
            strips = self.sample(class_name, seed, count)
        except gr.Error as error:
            return gr.Dropdown(), gr.Gallery(visible=False), gr.Markdown(error.message, visible=True)
        choices = [ALL_CLASSES, *self.test_images().class_names]
        return gr.Dropdown(choices=choices), gr.Gallery(strips, visible=True), gr.Markdown(visible=False)

    def build(self) -> gr.Blocks:
        """The page, with two public endpoints: /colorize and /sample."""
        with gr.Blocks(title="colorgan", delete_cache=(600, 3600)) as page:
            gr.Markdown("# colorgan\nDrop in a black-and-white photograph: its colours appear at once.", elem_id="head")
            for notice in self.notices:
                gr.Markdown(f"*{notice}*")
            with gr.Tab("Photo"):
                self._photo_tab()
            with gr.Tab("CIFAR-10") as tab:
                self._sample_tab(tab)
        return page

    def _photo_tab(self) -> None:
        first, *others = self.models
        choices = [(title(name), name) for name in self.models]
        before_after = self.colorize(EXAMPLES[0], first, 0.0), self.colorize(EXAMPLES[0], first)
        with gr.Row():
            with gr.Column(scale=2, min_width=300, elem_id="give"):
                photo = gr.Image(
                    label="Your photograph",
                    alt_text="Your photograph",
                    sources=["upload", "clipboard", "webcam"],
                    type="filepath",
                    height=240,
                    buttons=[],
                    elem_id="photo",
                )
                photo.preprocess = _uploaded_file
                gr.Examples([[path] for path in EXAMPLES], photo, label="Or try one of these", api_visibility="private")
                gr.Markdown("Photographs of [scikit-image](https://scikit-image.org), public domain or CC0")
            with gr.Column(scale=3, min_width=300, elem_id="get"):
                slider = gr.ImageSlider(
                    before_after, format="png", label="Before | after", max_height=520, buttons=["fullscreen"]
                )
                gallery = gr.Gallery(label="All networks", columns=2, visible=False, buttons=["download"], **GALLERY)
                model = gr.Radio([*choices, ALL_MODELS], value=first, label="Network", visible=bool(others))
                saturation = gr.Slider(0, 2, 1, step=0.1, label="Saturation")
                download = gr.DownloadButton("Download as PNG", value=before_after[1], variant="primary")
        network = {"concurrency_id": "network", "concurrency_limit": 1}
        gr.on(
            [photo.change, saturation.change, model.change],
            self.show,
            [photo, model, saturation],
            [slider, gallery, download],
            api_visibility="private",
            trigger_mode="always_last",  # while the saturation is dragged, only its last value counts
            show_progress="minimal",
            show_progress_on=[slider, gallery],
            **network,
        )
        named = gr.Radio(choices, value=first, label="Network", visible=False)
        picture = gr.File(label="The coloured photograph as PNG", visible=False)
        gr.on([], self.colorize, [photo, named, saturation], picture, api_name="colorize", **network)

    def _sample_tab(self, tab: gr.Tab) -> None:
        gr.Markdown("Test images the networks have never seen: grey as they get them, their colours, and the truth.")
        with gr.Row(equal_height=True):
            class_name = gr.Dropdown([ALL_CLASSES], value=ALL_CLASSES, label="Class", min_width=140)
            count = gr.Slider(1, 32, 8, step=1, label="How many", min_width=140)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**32, min_width=100)
            others = gr.Button("Show others", variant="primary", min_width=100)
        missing = gr.Markdown(visible=False)
        columns = 2 if len(self.models) == 1 else 1
        gallery = gr.Gallery(label="Test images", columns=columns, buttons=[], elem_id="samples", **GALLERY)
        others.click(lambda seed: seed + 1, seed, seed, api_visibility="private", queue=False)
        gr.on(
            [tab.select, class_name.change, count.change, seed.change],
            self.show_samples,
            [class_name, seed, count],
            [class_name, gallery, missing],
            api_visibility="private",
            trigger_mode="always_last",
            show_progress_on=gallery,
            concurrency_id="sample",
        )
        named = gr.Textbox(ALL_CLASSES, label="Class", visible=False)
        strips = gr.Gallery(format="png", label="Strips of grey, each network and the truth", visible=False)
        gr.on([], self.sample, [named, seed, count], strips, api_name="sample", concurrency_id="sample")


def _uploaded_file(payload: gr.data_classes.ImageData | None) -> str | None:
    """What gr.Image hands on: the file as it came. Its own errors, were it to open it, show the server's folders."""
    if payload is None:
        return None
    # Gradio looks only at paths that are marked as files: a request without the mark could name any file of the server
    if payload.path is None or not Path(payload.path).resolve().is_relative_to(_uploads()):
        raise _refusal("There is no such upload: upload the photograph first.")
    return payload.path


def _uploads() -> Path:
    return Path(gr.utils.get_upload_folder()).resolve()


def _refusal(sentence: str) -> gr.Error:
    return gr.Error(sentence, print_exception=False)  # what a visitor does wrong is not worth a traceback


def _public(error: Exception, name: str) -> str:
    """An error's sentence about a file or folder, without the server's path to it."""
    path = Path(name).resolve()
    return str(error).replace(str(path), path.name).replace(name, path.name) if path.exists() else str(error)


def _strip(tiles: list[Tensor]) -> Image.Image:
    """Images (3, H, W) uint8 in a row, enlarged without smoothing, with transparent gaps for light and dark pages."""
    strip = Image.new("RGBA", (len(tiles) * (TILE + GAP) - GAP, TILE))
    for i, tile in enumerate(tiles):
        picture = Image.fromarray(tile.permute(1, 2, 0).numpy())
        strip.paste(picture.resize((TILE, TILE), Image.Resampling.NEAREST), (i * (TILE + GAP), 0))
    return strip


def title(name: str) -> str:
    """How a model is called on the page."""
    return TITLES.get(name, name)


def load_models(names: list[str]) -> tuple[dict[str, Colorizer], list[str]]:
    """Colorizers by the name the page shows, and a sentence for each that cannot be had."""
    models, notices = {}, []
    for name in names:
        shown = Path(name).resolve().name if name not in bundled_names() and Path(name).is_dir() else name
        try:
            models[f"{shown} ({len(models) + 1})" if shown in models else shown] = Colorizer.from_pretrained(name)
        except CheckpointError as error:
            notices.append(_public(error, name))
    return models, notices


def main(argv: list[str] | None = None) -> None:
    """Start the demo with the options of the command line."""
    parser = argparse.ArgumentParser(prog="app.py", description="Colourize photographs in the browser.")
    parser.add_argument("--model", nargs="+", default=bundled_generators(), help="bundled names, folders or Hub ids")
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10", help="Hub id or folder, for the CIFAR-10 tab")
    parser.add_argument("--port", type=int, help="default: 7860, or the next one that is free")
    parser.add_argument("--share", action="store_true", help="also give a public link for a while")
    args = parser.parse_args(argv)
    models, notices = load_models(args.model)
    print(*notices, sep="\n", end="\n" if notices else "", flush=True)
    if not models:
        parser.error("none of the models can be had, so there is nothing to show.")
    page = Demo(models, args.dataset_name, notices).build()
    looks = {"theme": THEME, "css": CSS, "footer_links": ["api", "settings"]}
    try:  # on 127.0.0.1, or where GRADIO_SERVER_NAME says, as a Space does
        page.launch(server_port=args.port, share=args.share, **looks)
    except OSError:
        parser.error(f"port {args.port} is taken: choose another, or leave --port out for the next free one.")
