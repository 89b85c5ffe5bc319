"""The shapes of the networks' outputs, and the properties of their architectures."""

import json
from pathlib import Path

import pytest
import torch

from colorgan.bins import annealed_mean
from colorgan.models import Classifier, Discriminator, Generator, new_photo_generator, with_hint_channels
from colorgan.unets import PhotoUNet


@pytest.mark.parametrize("architecture", ["residual", "pix2pix", "classic"])
@pytest.mark.parametrize("size", [(1, 1), (32, 32), (33, 47), (5, 100)])
def test_the_generator_takes_any_size(architecture: str, size: tuple[int, int]):
    generator = Generator(architecture, width=8).eval()
    chroma = generator(torch.rand(2, 1, *size) * 2 - 1)
    assert chroma.shape == (2, 2, *size)
    assert chroma.abs().max() <= 1


def photo_generator(**options: float) -> tuple[Generator, PhotoUNet]:
    """A narrow network for photographs in evaluation mode, and its part that has the bins."""
    generator = Generator("photo", width=8, **options).eval()  # pyright: ignore[reportArgumentType]  # bins is an int
    assert isinstance(generator.network, PhotoUNet)
    return generator, generator.network


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (33, 47), (5, 100)])
def test_the_photo_network_predicts_one_colour_for_four_by_four_pixels(size: tuple[int, int]):
    generator, _ = photo_generator(bins=20)
    rows, columns = (-(-side // 4) for side in size)
    lightness = torch.rand(2, 1, *size) * 2 - 1
    chroma, logits = generator(lightness, heads=True)
    assert generator.stride == 4
    assert chroma.shape == (2, 2, rows, columns)
    assert logits.shape == (2, 20, rows, columns)
    assert chroma.abs().max() <= 1
    assert torch.equal(generator(lightness), chroma)


def test_padding_leaves_the_cells_of_the_photo_network_in_place():
    generator, _ = photo_generator(bins=20)
    lightness = torch.rand(1, 1, 48, 48) * 2 - 1
    padded = torch.nn.functional.pad(lightness, (8, 8, 8, 8), mode="reflect")  # to 64, the next multiple of 32
    assert torch.equal(generator(lightness), generator(padded)[..., 2:-2, 2:-2])


def test_hint_channels_begin_as_nothing_and_stay_in_place(tmp_path: Path):
    torch.manual_seed(0)
    photo_generator(bins=20)[0].save_pretrained(tmp_path / "before")  # in half precision
    before = Generator.from_pretrained(tmp_path / "before")
    generator = with_hint_channels(before).eval()
    assert generator.takes_hints
    assert not before.takes_hints
    assert with_hint_channels(generator) is generator
    lightness, hints = torch.rand(1, 1, 48, 48) * 2 - 1, torch.zeros(1, 3, 12, 12)
    hints[0, :, 3, 9] = torch.tensor([0.5, -0.2, 1])
    assert torch.equal(generator(lightness, hints), before(lightness))
    torch.nn.init.normal_(generator.network.hints.weight)
    generator.save_pretrained(tmp_path / "hints")
    generator = Generator.from_pretrained(tmp_path / "hints")
    assert torch.equal(generator(lightness), before(lightness))
    change = (generator(lightness, hints) - before(lightness)).abs().amax((0, 1))
    row, column = divmod(int(change.argmax()), 12)
    assert abs(row - 3) <= 1
    assert abs(column - 9) <= 1
    padded = torch.nn.functional.pad(lightness, (8, 8, 8, 8), mode="reflect")  # to 64, the next multiple of 32
    around = torch.nn.functional.pad(hints, (2, 2, 2, 2))
    assert torch.equal(generator(lightness, hints), generator(padded, around)[..., 2:-2, 2:-2])


def test_only_the_photo_network_takes_hints():
    with pytest.raises(ValueError, match=r"^Only the architecture photo takes hints, not residual\.$"):
        Generator(hints=True)


def test_a_photo_checkpoint_keeps_its_bins_and_its_temperature(tmp_path: Path):
    generator, network = photo_generator(bins=3, temperature=0.5)
    network.centres.copy_(torch.tensor([[0.0, 0.0], [40.0, -10.0], [-70.0, 90.0]]))
    network.weights.copy_(torch.tensor([0.5, 1.0, 2.0]))
    generator.save_pretrained(tmp_path)
    again = Generator.from_pretrained(tmp_path)
    assert isinstance(again.network, PhotoUNet)
    assert again.temperature == 0.5
    assert torch.equal(again.network.centres, network.centres)
    assert torch.equal(again.network.weights, network.weights)
    lightness = torch.rand(1, 1, 32, 32)
    _, logits = again(lightness, heads=True)
    assert torch.equal(again(lightness), annealed_mean(logits, again.network.centres, 0.5))


def test_a_new_photo_network_has_the_colours_of_its_images():
    images = torch.full((4, 3, 8, 8), 128, dtype=torch.uint8)  # grey
    images[0] = torch.tensor([214, 89, 85], dtype=torch.uint8).view(3, 1, 1)  # a = 49, b = 28
    network = new_photo_generator(images, width=8, uniform_share=0).network
    assert isinstance(network, PhotoUNet)
    assert network.bins.out_channels == 2
    assert network.centres.tolist() == [[0, 0], [50, 30]]
    assert network.weights.tolist() == pytest.approx([0.5 / 0.75, 0.5 / 0.25], abs=0.01)


def test_the_settings_of_other_networks_have_no_bins(tmp_path: Path):
    Generator(width=8).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config == {"_class_name": "Generator", "architecture": "residual", "width": 8}


@pytest.mark.parametrize(
    "options",
    [{"architecture": "photo"}, {"bins": 20}, {"temperature": 0.5}]
    + [{"architecture": "photo", "bins": 20, "temperature": t} for t in (0.0, float("nan"))],
)
def test_only_the_photo_network_has_bins_and_a_temperature(options: dict):
    with pytest.raises(ValueError, match="architecture photo"):
        Generator(width=8, **options)


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
