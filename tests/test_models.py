"""The shapes of the networks' outputs, and the properties of their architectures."""

import pytest
import torch

from colorgan.models import Classifier, Discriminator, Generator


@pytest.mark.parametrize("architecture", ["residual", "pix2pix", "classic"])
@pytest.mark.parametrize("size", [(1, 1), (32, 32), (33, 47), (5, 100)])
def test_the_generator_takes_any_size(architecture: str, size: tuple[int, int]):
    generator = Generator(architecture, width=8).eval()
    chroma = generator(torch.rand(2, 1, *size) * 2 - 1)
    assert chroma.shape == (2, 2, *size)
    assert chroma.abs().max() <= 1


@pytest.mark.parametrize(("architecture", "millions"), [("pix2pix", 16.65), ("classic", 34.52)])
def test_the_literature_s_networks_have_their_parameters(architecture: str, millions: float):
    count = sum(p.numel() for p in Generator(architecture, 64).parameters())
    assert round(count / 1e6, 2) == millions


@pytest.mark.parametrize("build", [Generator, Discriminator])
def test_an_unknown_architecture_is_refused(build: type):
    with pytest.raises(ValueError, match="Unknown architecture 'vit'"):
        build("vit")


@pytest.mark.parametrize("architecture", ["spectral", "pix2pix"])
def test_the_discriminator_sees_lightness_and_chroma(architecture: str):
    torch.manual_seed(0)
    discriminator = Discriminator(architecture, width=8).eval()
    lightness, chroma = torch.rand(2, 1, 32, 32), torch.rand(2, 2, 32, 32)
    logits = discriminator(lightness, chroma)
    assert logits.shape[:2] == (2, 1)
    assert min(logits.shape[2:]) > 1  # a map: it judges places, not only pictures
    assert not torch.allclose(logits, discriminator(-lightness, chroma))
    assert not torch.allclose(logits, discriminator(lightness, -chroma))


def test_spectral_norm_limits_every_layer():
    discriminator = Discriminator(width=8).train()
    for _ in range(30):  # the power iteration takes a step in each forward pass
        discriminator(torch.rand(2, 1, 32, 32), torch.rand(2, 2, 32, 32))
    layers = [layer for layer in discriminator.network if isinstance(layer, torch.nn.Conv2d)]
    assert len(layers) == 5
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2).item() == pytest.approx(1, abs=0.05)


def test_the_classifier_gives_logits_and_a_feature_map_a_stage():
    classifier = Classifier(classes=7, width=8).eval()
    lightness, chroma = torch.rand(2, 1, 32, 32), torch.rand(2, 2, 32, 32)
    assert classifier(lightness, chroma).shape == (2, 7)
    assert [f.shape[2] for f in classifier.features(lightness, chroma)] == [32, 16, 8, 4]
