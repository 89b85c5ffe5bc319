"""What the network sees of a photograph: small, with contrast, and without an old print's border."""

import numpy as np
import pytest
import skimage.data
import torch

from colorgan.inference.inputs import CONTRAST, MAX_GAIN, network_inputs, shrunk_input
from colorgan.models import Generator, RenderSizeError
from colorgan.photo import Photo, read_photo

SMALL = Generator(width=8)  # a network for images of 32x32 pixels


def test_the_network_sees_the_shorter_side_at_the_render_size() -> None:
    shapes = {(300, 450): (48, 72), (450, 300): (72, 48), (10, 10): (10, 10), (1, 5000): (1, 768), (480, 640): (48, 64)}
    for (height, width), seen in shapes.items():
        lightness = shrunk_input(Photo(np.full((height, width), 75, np.float32)), 48)
        assert lightness.shape == (1, *seen)
        assert torch.allclose(lightness, torch.tensor(0.5), atol=1e-5)
    with pytest.raises(RenderSizeError, match=r"of this network must be a multiple of 16, such as 32, not 50\."):
        network_inputs(Photo(np.zeros((9, 9), np.float32)), SMALL, 50)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((300, 400), (64, 96)),
        ((400, 300), (96, 64)),
        ((300, 450), (64, 96)),
        ((300, 310), (64, 64)),
        ((32, 32), (64, 64)),
        ((1, 1), (64, 64)),
        ((3, 500), (64, 1024)),
        ((9000, 100), (1024, 64)),
    ],
)
def test_a_network_for_photographs_sees_one_input_that_needs_no_padding(
    size: tuple[int, int], seen: tuple[int, int]
) -> None:
    network = Generator("photo", width=8, bins=2)
    (lightness,) = network_inputs(Photo(np.full(size, 75, np.float32)), network)
    assert lightness.shape == (1, *seen)
    assert torch.allclose(lightness, lightness[0, 0, 0])
    (large,) = network_inputs(Photo(np.full(size, 75, np.float32)), network, 128)
    assert min(large.shape[1:]) == 128
    assert Generator("photo", width=8, bins=2, render_size=96).render_size == 96  # a checkpoint can have its own size
    with pytest.raises(RenderSizeError, match=r"must be a multiple of 32, such as 64, not 48\."):
        network_inputs(Photo(np.zeros((9, 9), np.float32)), network, 48)


def contrast(lightness: torch.Tensor) -> float:
    low, high = torch.quantile(lightness, torch.tensor([0.01, 0.99])).tolist()
    return high - low


def test_a_faded_photograph_is_seen_with_more_contrast() -> None:
    photo = read_photo(skimage.data.astronaut())
    faded = Photo(0.3 * photo.lightness + 50)
    assert contrast(shrunk_input(faded, 48)) < 0.6 < CONTRAST
    large, small = (seen[0] for seen in network_inputs(faded, SMALL, 48))
    assert contrast(large) == pytest.approx(CONTRAST, rel=0.05)
    assert abs(large.mean()) < abs(shrunk_input(faded, 48).mean())
    as_a_line = np.polyfit(shrunk_input(faded, 16).flatten(), small.flatten(), 1, full=True)
    assert as_a_line[0] == pytest.approx(np.polyfit(shrunk_input(faded, 48).flatten(), large.flatten(), 1), rel=1e-3)
    assert as_a_line[1] < 1e-6


def test_contrast_that_is_there_is_left_alone() -> None:
    photo = read_photo(skimage.data.astronaut())
    assert torch.equal(network_inputs(photo, SMALL, 48)[0], shrunk_input(photo, 48))


def test_a_picture_as_small_as_the_render_size_is_the_only_input_and_stays_as_it_is() -> None:
    flat = Photo(np.linspace(40, 60, 32 * 32, dtype=np.float32).reshape(32, 32))  # less contrast than `CONTRAST`
    (seen,) = network_inputs(flat, SMALL)
    assert torch.equal(seen[0], torch.from_numpy(flat.lightness) / 50 - 1)
    assert len(network_inputs(flat, SMALL, 16)) == 1
    assert len(network_inputs(Photo(np.zeros((48, 49), np.float32)), SMALL)) == 2


def test_noise_on_a_wall_does_not_become_a_picture() -> None:
    noise = np.random.default_rng(0).normal(60, 1, (48, 64)).astype(np.float32)
    seen = network_inputs(Photo(noise), SMALL, 48)[0]
    assert contrast(seen) == pytest.approx(MAX_GAIN * contrast(torch.from_numpy(noise) / 50 - 1), rel=1e-3)


def test_the_border_of_an_old_print_is_no_contrast() -> None:
    faded = 0.3 * read_photo(skimage.data.astronaut()).lightness + 40
    bordered = faded.copy()
    bordered[:30] = bordered[-30:] = bordered[:, :30] = bordered[:, -30:] = 98
    inside = slice(8, 40)
    plain, framed = (
        network_inputs(Photo(lightness), SMALL, 48)[0][0, inside, inside] for lightness in (faded, bordered)
    )
    assert torch.allclose(plain, framed, atol=0.02)
