"""Colorizer: a picture in, the same picture in colour out, at its own size and with its own lightness."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from colorgan.color import inputs_to_lab, lab_to_inputs, lab_to_rgb, rgb_to_lab, to_uint8
from colorgan.models import Generator

Picture = Image.Image | np.ndarray | str | Path


class Colorizer:
    """A generator and what a photograph needs around it."""

    def __init__(self, generator: Generator, device: torch.device | str | None = None):
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.generator = generator.eval().to(self.device, memory_format=torch.channels_last)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "unet",
        *,
        revision: str | None = None,
        device: torch.device | str | None = None,
        local_files_only: bool = False,
    ) -> "Colorizer":
        """Load a bundled checkpoint by its short name, a checkpoint folder, or a model of the Hub (`owner/name`).

        `device` is a GPU when there is one, unless given. Raises `colorgan.CheckpointError` when there is no such
        checkpoint or it cannot be loaded exactly.
        """
        return cls(Generator.from_pretrained(name, revision=revision, local_files_only=local_files_only), device)

    @torch.inference_mode()
    def predict_chroma(self, lightness: Tensor) -> Tensor:
        """Chroma (N, 2, H, W) for lightness (N, 1, H, W), both in [-1, 1], at the size given and on its device.

        The mean of what the network says of the picture and of its mirror image.
        """
        x = lightness.to(self.device).contiguous(memory_format=torch.channels_last)
        chroma = (self.generator(x) + self.generator(x.flip(-1)).flip(-1)) / 2
        return chroma.to(lightness.device)

    @torch.inference_mode()
    def colorize_batch(self, rgb: Tensor) -> Tensor:
        """Colourize uint8 images of one small size, (N, 3, H, W), as the network sees them; the same comes back.

        Only their lightness is used; this is what evaluation measures.
        """
        lightness, _ = lab_to_inputs(rgb_to_lab(rgb.float() / 255))
        return to_uint8(lab_to_rgb(inputs_to_lab(lightness, self.predict_chroma(lightness))))

    @torch.inference_mode()
    def colorize(self, image: Picture, *, render_size: int = 32, saturation: float = 1.0) -> Image.Image:
        """Colourize one picture: PIL image, array (H, W[, 3 or 4]) uint8, or the path of a file.

        The network sees it with its shorter side at `render_size` pixels, a multiple of 16; `saturation` multiplies
        the chroma. The result is RGB (RGBA where the input has alpha) of exactly the input's size and lightness.
        """
        picture = _open(image)
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
        rgb = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
        lightness, _ = lab_to_inputs(rgb_to_lab(rgb))
        height, width = lightness.shape[-2:]
        scale = render_size / min(height, width)
        small = [max(16, round(side * scale / 16) * 16) for side in (height, width)]
        chroma = self.predict_chroma(F.interpolate(lightness, small, mode="bicubic", antialias=True).clamp(-1, 1))
        chroma = F.interpolate(chroma, (height, width), mode="bicubic") * saturation
        result = to_uint8(lab_to_rgb(inputs_to_lab(lightness, chroma)))[0]
        coloured = Image.fromarray(result.permute(1, 2, 0).contiguous().numpy())
        if alpha is not None:
            coloured.putalpha(alpha)
        return coloured


def _open(image: Picture) -> Image.Image:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    elif not isinstance(image, Image.Image):
        image = Image.open(image)
    image = ImageOps.exif_transpose(image)
    return image.convert("RGBA") if "A" in image.getbands() or "transparency" in image.info else image.convert("RGB")
