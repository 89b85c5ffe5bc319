"""Colours as classes: shares computed by hand, and the meaning of the logits."""

import math

import pytest
import torch

from colorgan.bins import annealed_mean, balancing_weights, bins_loss, count_bins, soft_targets

GRID = torch.cartesian_prod(torch.arange(-50.0, 60, 10), torch.arange(-50.0, 60, 10))  # centres of the bins


def bin_of(a: float, b: float) -> int:
    return GRID.tolist().index([a, b])


def test_a_colour_is_shared_by_its_five_nearest_bins():
    shares, bins = soft_targets(torch.tensor([20.0, -30.0]).view(1, 2, 1, 1) / 110, GRID)
    found = dict(zip(bins[0].tolist(), shares[0].tolist(), strict=True))
    beside = math.exp(-(10**2) / (2 * 5**2))
    expected = {bin_of(20, -30): 1 / (1 + 4 * beside)}
    for neighbour in ((10, -30), (30, -30), (20, -40), (20, -20)):
        expected[bin_of(*neighbour)] = beside / (1 + 4 * beside)
    assert found == pytest.approx(expected, rel=1e-4)


def test_shares_sum_to_one_and_their_mean_is_nearly_the_colour():
    torch.manual_seed(0)
    chroma = (torch.rand(3, 2, 4, 5) * 80 - 40) / 110
    shares, bins = soft_targets(chroma, GRID)
    assert shares.shape == bins.shape == (3 * 4 * 5, 5)
    torch.testing.assert_close(shares.sum(1), torch.ones(60))
    mean = (shares[..., None] * GRID[bins]).sum(1)
    assert (mean - chroma.movedim(1, -1).flatten(0, 2) * 110).abs().max() < 5  # half a bin


def test_colours_beyond_the_bins_go_to_the_nearest():
    _, bins = soft_targets(torch.tensor([1.0, 1.0]).view(1, 2, 1, 1), GRID)
    assert bin_of(50, 50) in bins[0].tolist()


def test_the_loss_is_smallest_at_the_weighted_truth():
    red, green = torch.tensor([30.0, 0.0]), torch.tensor([-30.0, 0.0])
    chroma = torch.stack([red, red, red, green]).T.view(1, 2, 2, 2) / 110  # three cells in four are red
    weights = torch.ones(len(GRID))
    weights[GRID[:, 0] < 0] = 3.0  # a green cell has three times the weight
    logits = torch.zeros(1, len(GRID), 1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = bins_loss(logits.expand(1, len(GRID), 2, 2), chroma, GRID, weights)
        value.backward()
        return value

    optimizer.step(loss)
    probability = logits.detach().softmax(1)[0, :, 0, 0]
    assert probability[bin_of(30, 0)].item() == pytest.approx(probability[bin_of(-30, 0)].item(), rel=0.02)
    unweighted = (logits.detach()[0, :, 0, 0] - weights.log()).softmax(0)
    assert (unweighted[bin_of(30, 0)] / unweighted[bin_of(-30, 0)]).item() == pytest.approx(3, rel=0.02)


def test_the_temperature_leads_from_the_mean_to_the_mode():
    logits = torch.full((1, len(GRID), 1, 1), -30.0)
    logits[0, bin_of(40, 10)], logits[0, bin_of(-20, 10)] = math.log(0.75), math.log(0.25)
    for temperature, expected in ((1.0, [25, 10]), (0.5, [0.9 * 40 - 0.1 * 20, 10]), (0.01, [40, 10])):
        chroma = annealed_mean(logits, GRID, temperature)
        assert (chroma * 110).flatten().tolist() == pytest.approx(expected, abs=1e-3)


def test_bins_and_shares_are_those_of_the_images():
    images = torch.full((4, 3, 8, 8), 128, dtype=torch.uint8)  # grey
    images[0] = torch.tensor([214, 89, 85], dtype=torch.uint8).view(3, 1, 1)  # a = 49, b = 28
    centres, shares = count_bins(images, stride=4)
    assert centres.tolist() == [[0, 0], [50, 30]]
    assert shares.tolist() == pytest.approx([0.75, 0.25], abs=1e-3)


def test_rare_bins_have_larger_weights_and_the_mean_over_cells_is_one():
    shares = torch.tensor([0.9, 0.09, 0.01])
    weights = balancing_weights(shares, uniform_share=0.5)
    expected = [1 / (0.45 + 1 / 6), 1 / (0.045 + 1 / 6), 1 / (0.005 + 1 / 6)]
    assert (weights / weights[0]).tolist() == pytest.approx([w / expected[0] for w in expected])
    assert (shares * weights).sum().item() == pytest.approx(1)
    assert balancing_weights(shares, uniform_share=1).tolist() == pytest.approx([1, 1, 1])
