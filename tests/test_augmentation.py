"""Shifts, crops and the damage of old prints: what they change, what they keep, and that the seed decides."""

import pytest
import torch
from skimage import data

from colorgan.augmentation import add_borders, age, augment, random_crops, shift, simulate_hints
from colorgan.color import lightness_and_chroma


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """64 pieces of 80 x 80 pixels of a photograph, sRGB in [0, 1]."""
    photo = torch.from_numpy(data.coffee()).permute(2, 0, 1).float() / 255
    return torch.stack([photo[:, 40 * i : 40 * i + 80, 60 * j : 60 * j + 80] for i in range(8) for j in range(8)])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_shift_moves_every_image_alike_and_mirrors_what_comes_in():
    torch.manual_seed(0)
    rgb, moves = torch.rand(2, 3, 32, 32), set()
    for _ in range(20):
        moved = shift(rgb)
        places = [
            (y, x) for y in range(-4, 5) for x in range(-4, 5)
            if torch.equal(moved[..., 4 + y : 28 + y, 4 + x : 28 + x], rgb[..., 4:28, 4:28])
        ]  # fmt: skip
        ((y, x),) = places
        padded = torch.nn.functional.pad(rgb, (4, 4, 4, 4), mode="reflect")
        assert torch.equal(moved, padded[..., 4 - y : 36 - y, 4 - x : 36 - x])
        moves.add((y, x))
    assert len(moves) > 10


def test_crops_have_random_places_scales_and_stretches():
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="ij")
    ramps = torch.stack([x, y, torch.zeros_like(x)]).expand(500, 3, 80, 80) / 80  # the colours of a crop are its place
    crops = random_crops(ramps, 64, seeded(0))
    assert crops.shape == (500, 3, 64, 64)
    left, right = crops[:, 0, 32, 0], crops[:, 0, 32, -1]
    top, bottom = crops[:, 1, 0, 32], crops[:, 1, -1, 32]
    width, height = (right - left) * 64 / 63, (bottom - top) * 64 / 63
    ratio = width / height
    assert 3 / 4 - 0.02 < ratio.min() < 0.82
    assert 1.22 < ratio.max() < 4 / 3 + 0.02
    size = (width * height).sqrt()
    assert 0.58 < size.min() < 0.64
    assert 0.95 < size.max() < 1.01
    assert left.min() >= 0
    assert right.max() <= 1
    assert left.std() > 0.05
    assert top.std() > 0.05


def test_a_seed_decides_crops_ageing_and_borders(photos: torch.Tensor):
    first, again, other = (augment(photos, "photo", 64, seeded(seed)) for seed in (1, 1, 2))
    assert first[0].shape == (64, 1, 64, 64)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_without_augmentation_images_stay_as_they_are(photos: torch.Tensor):
    for result, expected in zip(augment(photos, "none", 64, seeded(0)), lightness_and_chroma(photos), strict=True):
        assert torch.equal(result, expected)
    torch.manual_seed(0)
    moved = shift(photos)
    torch.manual_seed(0)
    lightness, _ = augment(photos, "shift", 64, seeded(0))
    assert torch.equal(lightness, lightness_and_chroma(moved)[0])


def test_ageing_changes_some_images_and_keeps_their_content(photos: torch.Tensor):
    lightness, _ = lightness_and_chroma(photos)
    aged = age(lightness, seeded(0))
    assert aged.shape == lightness.shape
    assert aged.abs().max() <= 1
    change = (aged - lightness).abs().flatten(1).mean(1)
    assert 8 < (change < 1e-3).sum() < 32  # 0.7 * 0.7 * 0.8 * 0.7 of 64 stay as they are: 18
    assert change.max() > 0.1
    for before, after in zip(lightness.flatten(1), aged.flatten(1), strict=True):
        if before.std() > 0.1:
            assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.5


def test_a_border_is_light_colourless_paper_at_the_margin(photos: torch.Tensor):
    lightness, chroma = lightness_and_chroma(photos)
    bordered, its_chroma = add_borders(lightness, chroma, seeded(0))
    covered = (bordered != lightness).squeeze(1)
    framed = covered.flatten(1).any(1)
    assert 1 <= framed.sum() <= 15  # a tenth of 64
    assert not covered[:, 8:-8, 8:-8].any()
    assert bordered[covered[:, None]].min() >= 0.6
    assert torch.equal(its_chroma[covered[:, None].expand_as(chroma)], torch.zeros(2 * int(covered.sum())))
    same = ~covered[:, None].expand_as(chroma)
    assert torch.equal(its_chroma[same], chroma[same])


def test_simulated_hints_are_squares_of_cells_in_their_mean_colour():
    chroma = torch.rand(500, 2, 16, 16, generator=seeded(0))
    hints = simulate_hints(chroma, 0.5, seeded(1))
    assert torch.equal(hints, simulate_hints(chroma, 0.5, seeded(1)))
    mask = hints[:, 2:]
    assert set(mask.unique().tolist()) == {0, 1}
    assert (hints[:, :2] * (1 - mask) == 0).all()
    has_hints = mask.amax((1, 2, 3)) > 0
    assert 0.4 < has_hints.float().mean() < 0.6
    assert 8 < mask[has_hints].sum((1, 2, 3)).mean() < 40  # 8 hints of 1, 4 or 9 cells, some of which overlap
    for side in (1, 2, 3):  # images whose hints are one such square
        means = torch.nn.functional.avg_pool2d(chroma, side, stride=1)
        corners = {i: mask[i, 0].nonzero()[0].tolist() for i in range(500) if mask[i].sum() == side**2}
        single = {i: (y, x) for i, (y, x) in corners.items() if mask[i, 0, y : y + side, x : x + side].all()}
        assert len(single) > 3
        for i, (y, x) in single.items():
            expected = means[i, :, y, x].view(2, 1, 1).expand(2, side, side)
            torch.testing.assert_close(hints[i, :2, y : y + side, x : x + side], expected)


def test_a_few_batches_are_all_hints():
    chroma, generator = torch.rand(2, 2, 4, 4), seeded(0)
    full = [batch for batch in (simulate_hints(chroma, 0.5, generator) for _ in range(1000)) if batch[:, 2].all()]
    assert 2 < len(full) < 25
    assert any(torch.equal(batch[:, :2], chroma) for batch in full)
