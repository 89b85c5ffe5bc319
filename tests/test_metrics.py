"""Figures of merit against scikit-image, SciPy and pictures small enough to work out by hand."""

import numpy as np
import pytest
import scipy.linalg
import torch
from skimage import color, data, metrics

from colorgan.metrics import (
    ab_error,
    accuracy,
    colorfulness,
    constant_baseline,
    frechet_distance,
    grey_baseline,
    psnr_from,
    squared_error,
    summarize,
)


@pytest.fixture(scope="module")
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Tiles of a photograph, and the same with noise: two stacks of 6 x 3 x 64 x 64, uint8."""
    photo = data.astronaut()
    truth = np.stack([photo[i * 64 : i * 64 + 64, i * 64 : i * 64 + 64] for i in range(6)])
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    output = (truth + noise).clip(0, 255).astype(np.uint8)
    return tuple(torch.from_numpy(stack).permute(0, 3, 1, 2) for stack in (output, truth))


def as_images(stack: torch.Tensor) -> list[np.ndarray]:
    return [image.permute(1, 2, 0).numpy() for image in stack]


def pixels(*rgb: tuple[int, int, int]) -> torch.Tensor:
    """One image of 2 x 2 pixels."""
    return torch.tensor(rgb, dtype=torch.uint8).T.reshape(1, 3, 2, 2)


def test_psnr_agrees_with_skimage(pairs: tuple[torch.Tensor, torch.Tensor]):
    output, truth = pairs
    expected = [metrics.peak_signal_noise_ratio(t, o) for o, t in zip(*map(as_images, pairs), strict=True)]
    assert psnr_from(squared_error(output, truth)).numpy() == pytest.approx(expected, abs=1e-3)
    summary = summarize(output, truth, batch_size=4)
    assert summary["psnr"] == pytest.approx(np.mean(expected), abs=1e-3)
    pooled = metrics.peak_signal_noise_ratio(truth.numpy(), output.numpy())
    assert summary["psnr_pooled"] == pytest.approx(pooled, abs=1e-3)


def test_ab_error_agrees_with_skimage(pairs: tuple[torch.Tensor, torch.Tensor]):
    output, truth = (np.stack([color.rgb2lab(image)[..., 1:] for image in as_images(stack)]) for stack in pairs)
    expected = np.abs(output - truth).mean((1, 2, 3))
    assert ab_error(*pairs).numpy() == pytest.approx(expected, abs=1e-3)


def test_accuracy_by_hand():
    truth = pixels(*[(128, 128, 128)] * 4)
    lab = color.rgb2lab(np.array([[[128, 128, 128], [128, 124, 128], [138, 128, 118], [128, 128, 140]]], np.uint8))
    difference = np.abs(lab.round() - lab[0, 0].round())[0]
    expected = (difference <= [2, 4.4, 4.4]).all(1).mean(), (difference <= [5, 11, 11]).all(1).mean()
    output = pixels((128, 128, 128), (128, 124, 128), (138, 128, 118), (128, 128, 140))
    assert accuracy(output, truth, 2).item() == expected[0] == 0.5
    assert accuracy(output, truth, 5).item() == expected[1] == 1.0


def test_colorfulness_by_hand():
    assert colorfulness(pixels(*[(50, 50, 50)] * 4)).item() == 0
    # all red: rg = 255, yb = 127.5, no deviation
    assert colorfulness(pixels(*[(255, 0, 0)] * 4)).item() == pytest.approx(0.3 * np.hypot(255, 127.5), rel=1e-5)
    # half red, half blue: rg is 255 or 0, yb is 127.5 or -255
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75)
    assert colorfulness(pixels(*[(255, 0, 0)] * 2, *[(0, 0, 255)] * 2)).item() == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_agrees_with_scipy():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(400, 8, generator=generator) @ torch.randn(8, 8, generator=generator)
    b = torch.randn(300, 8, generator=generator) @ torch.randn(8, 8, generator=generator) + 1
    cov_a, cov_b = (np.cov(x.double().numpy(), rowvar=False) for x in (a, b))
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    mean = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    assert frechet_distance(a, b) == pytest.approx(mean + np.trace(cov_a + cov_b - 2 * root), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_baselines_keep_lightness(pairs: tuple[torch.Tensor, torch.Tensor]):
    _, truth = pairs
    lightness = np.stack([color.rgb2lab(image)[..., 0] for image in as_images(truth)])
    for baseline, ab in ((grey_baseline(truth), (0, 0)), (constant_baseline(truth, torch.tensor([3.0, -5])), (3, -5))):
        lab = np.stack([color.rgb2lab(image) for image in as_images(baseline)])
        assert np.abs(lab[..., 0] - lightness).max() < 0.8  # an 8-bit step in the darkest tones
        # the middle tones can have that colour, the darkest and brightest are limited by the gamut
        middle = (lightness > 20) & (lightness < 90)
        assert np.abs(lab[..., 1:][middle] - ab).mean() < 0.5
