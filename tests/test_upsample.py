"""Chroma at full size: better than the plain way, consistent with what the network said, the same in strips."""

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F

from colorgan.color import lab_to_rgb, rgb_to_lab
from colorgan.inference import upsample
from colorgan.inference.upsample import guide_chroma, shrink, upsample_chroma


def photograph(name: str) -> torch.Tensor:
    return torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None] / 255


def shrunk(ab: torch.Tensor, longer: int) -> torch.Tensor:
    height, width = ab.shape[-2:]
    scale = longer / max(height, width)
    return shrink(ab, (round(height * scale), round(width * scale)))


def psnr(lab: torch.Tensor, rgb: torch.Tensor) -> float:
    return float(-10 * (lab_to_rgb(lab) - rgb).square().mean().log10())


@pytest.mark.parametrize(
    ("longer", "mean", "least"),  # dB over bicubic; measured are 1.67, 1.48, 1.25 and 1.05
    [(32, 1.6, 0.8), (64, 1.4, 0.8), (128, 1.15, 0.5), (256, 0.95, 0.4)],
)
def test_true_colours_come_back_better_than_from_bicubic_interpolation(longer: int, mean: float, least: float) -> None:
    gains = []
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        rgb = photograph(name)
        lightness, ab = rgb_to_lab(rgb).split([1, 2], dim=1)
        small = shrunk(ab, longer)
        ours = upsample_chroma(small[0], lightness[0, 0])[None]
        plain = F.interpolate(small, ab.shape[-2:], mode="bicubic")
        gains.append(psnr(torch.cat([lightness, ours], 1), rgb) - psnr(torch.cat([lightness, plain], 1), rgb))
    assert np.mean(gains) > mean
    assert min(gains) > least


def test_colours_stop_at_edges_of_lightness() -> None:
    """A red disc on a dark grey ground: what the small grid smears over the edge is put back where it belongs."""
    y, x = torch.meshgrid(torch.arange(400), torch.arange(400), indexing="ij")
    disc = (y - 203).square() + (x - 197).square() < 120**2
    lightness = torch.where(disc, 60.0, 25.0)
    ab = torch.stack([disc * 50.0, disc * 30.0])
    small = shrink(ab[None], (32, 32))[0]
    error = (upsample_chroma(small, lightness) - ab).abs().mean()
    plain = (F.interpolate(small[None], (400, 400), mode="bicubic")[0] - ab).abs().mean()
    assert error < plain / 3
    ground = ~((y - 203).square() + (x - 197).square() < 130**2)
    assert upsample_chroma(small, lightness)[:, ground].abs().max() < 2  # no halo ten pixels away


def test_the_mean_chroma_of_every_cell_stays_what_the_network_said() -> None:
    lightness, ab = rgb_to_lab(photograph("coffee")[..., :384, :576]).split([1, 2], dim=1)
    small = shrink(ab, (32, 48))
    again = shrink(upsample_chroma(small[0], lightness[0, 0])[None], (32, 48))
    assert (again - small).abs().mean() < 0.5  # Lab units; the guided filter's own smoothing is what is left
    flat = torch.full((2, 16, 24), 7.0)
    assert upsample_chroma(flat, lightness[0, 0]).sub(7).abs().max() < 1e-2


@pytest.mark.parametrize("size", [(384, 576), (901, 1203), (3, 700)])
def test_strips_join_without_a_seam(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    lightness = torch.rand(size, generator=generator) * 100
    guided = guide_chroma(torch.randn(2, min(32, size[0]), 45, generator=generator), lightness)
    whole = guided.rows(lightness, 0)
    parts = [guided.rows(lightness[top : top + 7], top) for top in range(0, size[0], 7)]
    assert whole.shape == (2, *size)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 47), (1, 5000)])
def test_pictures_smaller_than_the_grid(size: tuple[int, int]) -> None:
    chroma = upsample_chroma(torch.full((2, 32, 48), 3.0), torch.full(size, 50.0))
    assert chroma.shape == (2, *size)
    assert torch.allclose(chroma, torch.tensor(3.0), atol=1e-3)


@pytest.mark.parametrize("size", [(20_000, 4), (4, 20_000)])
def test_a_thin_strip_takes_no_more_rounds_than_a_square(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, diffuse = [], upsample._diffuse
    monkeypatch.setattr(upsample, "_diffuse", lambda *arguments: rounds.append(1) or diffuse(*arguments))
    seen = shrink(torch.rand(1, 2, *size), (min(size[0], 768), min(size[1], 768)))[0]  # the size that the network sees
    assert upsample_chroma(seen, torch.rand(size) * 100).shape == (2, *size)
    assert len(rounds) == 8
