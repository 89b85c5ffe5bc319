"""Metrics against scikit-image, SciPy and pictures that are small enough to calculate by hand."""

import numpy as np
import pytest
import scipy.linalg
import torch
from skimage import color, data, metrics

from colorgan.color import ciede2000, rgb_to_lab
from colorgan.evaluation.metrics import (
    accuracy,
    colorfulness,
    constant_baseline,
    frechet_distance,
    grey_baseline,
    markdown_table,
    measure,
    psnr_from,
    rarity,
    squared_error,
    ssim,
    standard_errors,
    summarize,
)


@pytest.fixture(scope="module")
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Tiles of a photograph, and the same with noise: two stacks of 6 x 3 x 64 x 64, uint8."""
    photo = data.astronaut()
    truth = np.stack([photo[i * 64 : i * 64 + 64, i * 64 : i * 64 + 64] for i in range(6)])
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    output = (truth + noise).clip(0, 255).astype(np.uint8)
    return torch.from_numpy(output).permute(0, 3, 1, 2), torch.from_numpy(truth).permute(0, 3, 1, 2)


def as_images(stack: torch.Tensor) -> list[np.ndarray]:
    return [image.permute(1, 2, 0).numpy() for image in stack]


def pixels(*rgb: tuple[int, int, int]) -> torch.Tensor:
    """One image of 2 x 2 pixels."""
    return torch.tensor(rgb, dtype=torch.uint8).T.reshape(1, 3, 2, 2)


def enlarged(image: torch.Tensor) -> torch.Tensor:
    """The same colours in the same parts at a size ssim has a window for."""
    return image.repeat_interleave(8, 2).repeat_interleave(8, 3)


def lab_of(image: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(image.float() / 255)


def test_psnr_agrees_with_skimage(pairs: tuple[torch.Tensor, torch.Tensor]):
    output, truth = pairs
    expected = [metrics.peak_signal_noise_ratio(t, o) for o, t in zip(*map(as_images, pairs), strict=True)]
    assert psnr_from(squared_error(output, truth)).numpy() == pytest.approx(expected, abs=1e-3)
    summary = summarize(measure(output, truth, batch_size=4))
    assert summary["psnr"] == pytest.approx(np.mean(expected), abs=1e-3)
    pooled = metrics.peak_signal_noise_ratio(truth.numpy(), output.numpy())
    assert summary["psnr_pooled"] == pytest.approx(pooled, abs=1e-3)


def test_ssim_agrees_with_skimage(pairs: tuple[torch.Tensor, torch.Tensor]):
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [
        metrics.structural_similarity(t / 255, o / 255, channel_axis=2, **options)
        for o, t in zip(*map(as_images, pairs), strict=True)
    ]
    assert ssim(*pairs).numpy() == pytest.approx(expected, abs=1e-4)
    assert ssim(pairs[1], pairs[1]).numpy() == pytest.approx(1, abs=1e-6)


def test_ab_mae_agrees_with_skimage(pairs: tuple[torch.Tensor, torch.Tensor]):
    output, truth = (np.stack([color.rgb2lab(image)[..., 1:] for image in as_images(stack)]) for stack in pairs)
    expected = np.abs(output - truth).mean((1, 2, 3))
    assert measure(*pairs)["ab_mae"].numpy() == pytest.approx(expected, abs=1e-3)


def test_ciede2000_agrees_with_skimage(pairs: tuple[torch.Tensor, torch.Tensor]):
    output, truth = (np.stack([color.rgb2lab(image) for image in as_images(stack)]) for stack in pairs)
    expected = color.deltaE_ciede2000(truth, output).mean((1, 2))
    assert measure(*pairs)["ciede2000"].numpy() == pytest.approx(expected, abs=1e-3)
    # colours of all hues and greys, in either place; Lab lists far apart in hue are where implementations differ
    lab1 = np.random.default_rng(0).uniform((0, -100, -100), (100, 100, 100), (20_000, 3))
    lab2 = np.random.default_rng(1).uniform((0, -100, -100), (100, 100, 100), (20_000, 3))
    lab1[:100, 1:] = lab2[50:150, 1:] = 0
    found = ciede2000(*(torch.from_numpy(lab) for lab in (lab1, lab2))).numpy()
    assert found == pytest.approx(color.deltaE_ciede2000(lab1, lab2), abs=1e-9)


def test_accuracy_by_hand():
    lab = color.rgb2lab(np.array([[[128, 128, 128], [128, 124, 128], [138, 128, 118], [128, 128, 140]]], np.uint8))
    difference = np.abs(lab.round() - lab[0, 0].round())[0]
    expected = (difference <= [2, 4.4, 4.4]).all(1).mean(), (difference <= [5, 11, 11]).all(1).mean()
    truth = lab_of(pixels(*[(128, 128, 128)] * 4))
    output = lab_of(pixels((128, 128, 128), (128, 124, 128), (138, 128, 118), (128, 128, 140)))
    assert accuracy(output, truth, 2).item() == expected[0] == 0.5
    assert accuracy(output, truth, 5).item() == expected[1] == 1.0


def test_rebalanced_auc_by_hand():
    """Three grey pixels guessed right and a red one taken for grey: each of the two colours has half the weight."""
    red = color.rgb2lab(np.array([[[200, 40, 40]]], np.uint8))[0, 0, 1:]
    truth = pixels((90, 90, 90), (128, 128, 128), (40, 40, 40), (200, 40, 40))
    output = grey_baseline(truth)
    assert rarity(truth).max() == 4
    expected = 50 + 50 * (151 - np.ceil(np.linalg.norm(red))) / 151
    columns = measure(enlarged(output), enlarged(truth))
    assert summarize(columns)["auc_rebalanced"] == pytest.approx(expected, abs=0.01)
    plain = measure(enlarged(output), enlarged(truth), weights=torch.ones(27, 27))
    assert summarize(plain)["auc_rebalanced"] == pytest.approx(75 + (expected - 50) / 2, abs=0.01)


def test_standard_errors_are_those_of_the_mean(pairs: tuple[torch.Tensor, torch.Tensor]):
    values = torch.from_numpy(np.random.default_rng(0).normal(3, 2, 400))
    errors = standard_errors(lambda counts: {"mean": (values @ counts.double()).item() / 400}, 400, samples=2000)
    assert errors["mean"] == pytest.approx(values.std().item() / 20, rel=0.05)
    columns = measure(*pairs)
    twice = {name: torch.cat([column, column[:2]]) for name, column in columns.items()}
    assert summarize(columns, torch.tensor([2, 2, 1, 1, 1, 1])) == pytest.approx(summarize(twice))


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
    root = np.real(np.asarray(scipy.linalg.sqrtm(cov_a @ cov_b)))
    mean = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    assert frechet_distance(a, b) == pytest.approx(mean + np.trace(cov_a + cov_b - 2 * root), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    counts = torch.randint(0, 3, (300,), generator=generator)
    repeated = frechet_distance(a[:300].repeat_interleave(counts, 0), b.repeat_interleave(counts, 0))
    assert frechet_distance(a[:300], b, counts) == pytest.approx(repeated, rel=1e-4)


def test_baselines_keep_lightness(pairs: tuple[torch.Tensor, torch.Tensor]):
    _, truth = pairs
    lightness = np.stack([color.rgb2lab(image)[..., 0] for image in as_images(truth)])
    for baseline, ab in ((grey_baseline(truth), (0, 0)), (constant_baseline(truth, torch.tensor([3.0, -5])), (3, -5))):
        lab = np.stack([color.rgb2lab(image) for image in as_images(baseline)])
        assert np.abs(lab[..., 0] - lightness).max() < 0.8  # an 8-bit step in the darkest tones
        # the middle tones can have that colour, the darkest and brightest are limited by the gamut
        middle = (lightness > 20) & (lightness < 90)
        assert np.abs(lab[..., 1:][middle] - ab).mean() < 0.5


def test_table_shows_metrics_and_intervals():
    rows = {"grey": {"psnr": 23.456, "ab_mae": 9.39}}
    assert markdown_table(rows).splitlines()[-1] == "| grey | 23.46 | 9.39 |"
    assert "| 23.46 ± 0.20 | 9.39 ± 0.10 |" in markdown_table(rows, {"grey": {"psnr": 0.2, "ab_mae": 0.1}})
