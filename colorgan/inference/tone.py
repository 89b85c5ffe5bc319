"""Take over the tones of a reference picture: the mean colour of its dark, medium and bright parts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from colorgan.color import CHROMA_SCALE, rgb_to_lab
from colorgan.inference.upsample import shrink
from colorgan.photo.colours import read_colours
from colorgan.photo.errors import PhotoError
from colorgan.photo.read import MAX_PIXELS, Photo, Picture

# Chosen on training photographs of one half, with the other half as the reference: the error is about the same from 0.6
# to 1, while that of an unsuitable reference grows with the strength.
STRENGTH = 0.7
LEVELS = 21  # at L = 0, 5, ... 100
WIDTH = 15.0  # L units, the standard deviation of the weights of a level's mean
PRIOR = 0.1  # share of the picture that counts as having its mean colour, for levels that hardly occur
COLOURLESS = 1.0  # Lab units of mean chroma: less is a grey picture


@dataclass(frozen=True, eq=False)
class Tone:
    """The mean ab / 110 of a picture at L = 0, 5, ... 100: `curve` (21, 2)."""

    curve: Tensor

    @classmethod
    def of(cls, reference: Picture, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> "Tone":
        """The tone of a picture in colour. Raises `PhotoError` if it cannot be read or has no colours."""
        colours = torch.from_numpy(read_colours(reference, max_pixels=max_pixels, name=name).copy())
        lab = rgb_to_lab(colours.permute(2, 0, 1).float() / 255)
        if lab[1:].norm(dim=0).mean() < COLOURLESS:
            raise PhotoError(f"{name or 'The reference'} has no colours: give a picture in colour.")
        return cls(_curve(lab[0], lab[1:] / CHROMA_SCALE))


def as_tone(reference: Picture | Tone | None) -> Tone | None:
    """The tone of a reference, which may be one already. Raises `PhotoError` for a picture that has none."""
    return reference if reference is None or isinstance(reference, Tone) else Tone.of(reference)


def check_strength(strength: float) -> float:
    """Return the strength of a reference. Raises ValueError unless it is from 0 to 1."""
    if not 0 <= strength <= 1:
        raise ValueError(f"The strength of a reference is from 0 (none) to 1 (all of its tone), not {strength}.")
    return strength


@torch.inference_mode()
def apply_tone(chroma: Tensor, photo: Photo, tone: Tone | None, strength: float = STRENGTH) -> Tensor:
    """Move chroma (2, h, w) in [-1, 1] towards a tone: its means at each lightness become those of the reference.

    Strength 1 takes them over entirely, and 0 leaves the chroma as it is.
    """
    check_strength(strength)
    if tone is None or not strength:
        return chroma
    height, width = chroma.shape[-2:]
    lightness = shrink(torch.from_numpy(photo.lightness)[None, None], (height, width))[0, 0].to(chroma)
    missing = (tone.curve.to(chroma) - _curve(lightness, chroma)) * strength
    place = lightness.clamp(0, 100) * ((LEVELS - 1) / 100)
    below = place.long().clamp(max=LEVELS - 2)
    shift = torch.lerp(missing[below], missing[below + 1], (place - below)[..., None])
    return (chroma + shift.permute(2, 0, 1)).clamp(-1, 1)


def _curve(lightness: Tensor, chroma: Tensor) -> Tensor:
    """The mean chroma (21, 2) around each level of L, of lightness (h, w) in [0, 100] and chroma (2, h, w)."""
    levels, chroma = torch.linspace(0, 100, LEVELS).to(lightness)[:, None], chroma.flatten(1)
    weights = (-((lightness.flatten() - levels) ** 2) / (2 * WIDTH**2)).exp_()
    share = weights.mean(1, keepdim=True)
    return (weights @ chroma.T / chroma.shape[1] + PRIOR * chroma.mean(1)) / (share + PRIOR)
