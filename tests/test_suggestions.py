"""Suggested colours: plausible to the network, at the lightness of the place, and visibly different."""

import numpy as np
import pytest
import skimage.data
import torch

from colorgan import Colorizer, Generator, Hint, HintError, Photo, read_photo
from colorgan.color import ciede2000, rgb_to_lab
from colorgan.inference.distribution import ColorDistribution, color_distribution
from colorgan.inference.suggestions import APART, COUNT, suggest
from colorgan.models import with_hint_channels

PLACES = [(0.3, 0.62), (0.44, 0.24), (0.75, 0.3), (0, 0), (1, 0.1)]


def lab_of(colors: list[str]) -> torch.Tensor:
    """Lab (1, 3, 1, n) of colours such as #7a2e2e."""
    rgb = torch.tensor([list(bytes.fromhex(color[1:])) for color in colors])
    return rgb_to_lab(rgb.T[None, :, None] / 255)


def differences(colors: list[str]) -> torch.Tensor:
    """CIEDE2000 between each two colours."""
    lab = lab_of(colors)
    every = ciede2000(lab, lab.transpose(2, 3))[0]
    return every[~torch.eye(len(colors), dtype=torch.bool)]


@pytest.mark.parametrize("name", ["photo", "unet"])
def test_suggestions_differ_visibly_and_have_the_lightness_of_their_place(name: str) -> None:
    colorizer, photo = Colorizer.from_pretrained(name, device="cpu"), read_photo(skimage.data.astronaut())
    distribution = color_distribution(colorizer, photo)
    found = [suggest(distribution, photo, x, y) for x, y in PLACES]
    assert found[:3] == [colorizer.suggest(photo, x, y) for x, y in PLACES[:3]]  # the same at every call
    for (x, y), colors in zip(PLACES, found, strict=True):
        lightness = photo.lightness[min(int(512 * y), 511), min(int(512 * x), 511)]
        assert 2 <= len(colors) <= COUNT
        assert (lab_of(colors)[:, 0] - lightness).abs().max() < 1
        assert differences(colors).min() >= APART
    assert found[0] != found[1]
    assert colorizer.suggest(photo, 0.3, 0.62, count=2) == found[0][:2]
    if name == "unet":  # the best guess of a network without a classification is its prediction
        row, column = int(0.62 * distribution.chroma.shape[1]), int(0.3 * distribution.chroma.shape[2])
        prediction = distribution.chroma[:, row, column] * 110
        assert (lab_of(found[0][:1])[0, 1:, 0, 0] - prediction).abs().max() < 1


def test_suggestions_are_where_the_probability_is() -> None:
    """Nine tenths are in two colours, and the first suggestions are these, although six others are there."""
    ab = torch.tensor([[60.0, 30], [0, -45], [0, 0], [-40, 20], [10, 60], [40, -50], [70, 10], [-10, -30]])
    probability = torch.tensor([0.6, 0.3, *6 * [0.1 / 6]])[:, None, None]
    found = ColorDistribution(torch.zeros(2, 1, 1), probability, ab)
    photo = Photo(np.full((20, 30), 55, np.float32))
    first, second = lab_of(suggest(found, photo, 0.5, 0.5)[:2])[0, 1:, 0].T
    assert (first - ab[0]).abs().max() < 2
    assert (second - ab[1]).abs().max() < 2


def test_there_are_fewer_suggestions_where_colours_hardly_differ() -> None:
    found = ColorDistribution(torch.zeros(2, 3, 4))
    assert [suggest(found, Photo(np.full((20, 30), level, np.float32)), 0.5, 0.5) for level in (0, 100)] == [
        ["#000000"],
        ["#ffffff"],
    ]


def test_a_place_outside_the_photograph_gets_one_sentence() -> None:
    photo, found = Photo(np.full((20, 30), 55, np.float32)), ColorDistribution(torch.zeros(2, 3, 4))
    with pytest.raises(HintError, match=r"^The y of a hint is a fraction of the photograph, from 0 to 1, not 1\.2\.$"):
        suggest(found, photo, 0.5, 1.2)


def test_hints_at_other_places_count_if_the_network_takes_hints() -> None:
    photo, hints = read_photo(skimage.data.astronaut()), [Hint(0.3, 0.7, "#e06020")]
    generator = with_hint_channels(Generator.from_pretrained("photo"))
    colorizer = Colorizer(generator, device="cpu")
    before = colorizer.suggest(photo, 0.3, 0.62)
    assert colorizer.suggest(photo, 0.3, 0.62, hints=hints) == before  # its weights for hints are still zero
    torch.nn.init.constant_(generator.network.hints.weight, 0.5)
    assert colorizer.suggest(photo, 0.3, 0.62, hints=hints) != before
    assert colorizer.suggest(photo, 0.3, 0.62) == before
