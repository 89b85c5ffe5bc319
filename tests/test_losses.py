"""The losses: which logits make them smaller, and values computed by hand."""

import pytest
import torch

from colorgan.losses import RECONSTRUCTION, discriminator_loss, feature_loss, generator_loss, heads_loss
from colorgan.models import Classifier
from colorgan.unets import PhotoUNet


@pytest.mark.parametrize("kind", ["bce", "hinge"])
def test_each_network_wants_the_other_logits(kind: str):
    real, generated = torch.full((2, 1, 4, 4), 3.0), torch.full((2, 1, 4, 4), -3.0)
    assert discriminator_loss(kind, real, generated) < discriminator_loss(kind, generated, real)
    assert generator_loss(kind, real) < generator_loss(kind, generated)


def test_losses_of_guessing():
    logits = torch.zeros(1, 1, 1, 1)
    assert discriminator_loss("bce", logits, logits).item() == pytest.approx(1.3863, abs=1e-4)
    assert generator_loss("bce", logits).item() == pytest.approx(0.6931, abs=1e-4)
    assert discriminator_loss("hinge", logits, logits).item() == 2
    assert generator_loss("hinge", logits).item() == 0


def test_reconstruction_losses_of_an_error_of_a_tenth():
    zero, tenth = torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), 0.1)
    losses = {name: loss(zero, tenth).item() for name, loss in RECONSTRUCTION.items()}
    expected = {"mse": 0.01, "l1": 0.1, "huber": 0.1 - 0.05 / 2}
    assert losses == pytest.approx(expected)


def test_the_losses_of_two_heads_compare_them_with_the_mean_colour_of_each_cell():
    network = PhotoUNet(width=8, bins=2)
    network.centres.copy_(torch.tensor([[0.0, 0.0], [55.0, 0.0]]))
    chroma = torch.zeros(1, 2, 8, 8)
    chroma[:, 0, :, 4:] = torch.tensor([0.25, 0.25, 0.75, 0.75])  # the right cells have a mean of 0.5: a = 55
    predicted, logits = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    losses = heads_loss(RECONSTRUCTION["l1"], network, (predicted, logits), chroma, lambda_chroma=10)
    assert losses["chroma"].item() == pytest.approx(0.5 / 4)  # a in half of the cells; b is right
    assert losses["bins"].item() == pytest.approx(0.6931, abs=1e-4)  # two colours with equal probability
    assert losses["loss"].item() == pytest.approx(10 * 0.5 / 4 + 0.6931, abs=1e-4)
    logits[:, 0, :, 0] = logits[:, 1, :, 1] = 20.0  # grey on the left, red on the right
    assert heads_loss(RECONSTRUCTION["l1"], network, (predicted, logits), chroma, 10)["bins"].item() < 1e-6


def test_the_feature_loss_is_relative_to_each_stages_features(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    classifier = Classifier(width=8).eval()
    lightness, predicted, chroma = torch.rand(2, 1, 32, 32), torch.rand(2, 2, 32, 32), torch.rand(2, 2, 32, 32)
    before, features = feature_loss(classifier, lightness, predicted, chroma), classifier.features
    monkeypatch.setattr(classifier, "features", lambda *inputs: [10 * each for each in features(*inputs)])
    assert feature_loss(classifier, lightness, predicted, chroma).item() == pytest.approx(before.item(), rel=1e-4)
    assert before > 0
    assert feature_loss(classifier, lightness, chroma, chroma) == 0
