"""Lab against scikit-image, and what the gamut limit promises."""

import numpy as np
import pytest
import torch
from skimage import color, data

from colorgan.color import inputs_to_lab, lab_to_inputs, lab_to_rgb, rgb_to_lab, to_uint8

CUBE = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.reshape(1, 3, 8, 1)


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("name", ["astronaut", "cube"])
def test_lab_agrees_with_skimage(name: str, astronaut: torch.Tensor):
    rgb = astronaut if name == "astronaut" else CUBE
    expected = color.rgb2lab(rgb[0].permute(1, 2, 0).numpy())
    assert np.abs(rgb_to_lab(rgb)[0].permute(1, 2, 0).numpy() - expected).max() < 1e-3


def test_known_colours():
    white, black, red = (torch.tensor(c).reshape(1, 3, 1, 1) for c in ([1.0, 1, 1], [0.0, 0, 0], [1.0, 0, 0]))
    assert torch.allclose(rgb_to_lab(white).flatten(), torch.tensor([100.0, 0, 0]), atol=0.01)
    assert torch.allclose(rgb_to_lab(black).flatten(), torch.zeros(3), atol=1e-4)
    assert torch.allclose(rgb_to_lab(red).flatten(), torch.tensor([53.24, 80.09, 67.20]), atol=0.01)


def test_round_trip_is_exact_in_8_bits(astronaut: torch.Tensor):
    for rgb in (astronaut, CUBE):
        assert (lab_to_rgb(rgb_to_lab(rgb)) - rgb).abs().max() < 0.5 / 255
        assert torch.equal(to_uint8(lab_to_rgb(rgb_to_lab(rgb))), to_uint8(rgb))


def test_batches_and_single_pictures_agree(astronaut: torch.Tensor):
    lab = rgb_to_lab(astronaut)
    lab[:, 1:] *= 2
    pair = torch.cat([lab, lab.flip(-1)])
    assert torch.allclose(lab_to_rgb(pair)[0], lab_to_rgb(lab[0]), atol=1e-6)


def test_out_of_gamut_chroma_shrinks_at_constant_lightness_and_hue(astronaut: torch.Tensor):
    lab = rgb_to_lab(astronaut)
    lab[:, 1:] *= 2
    result = rgb_to_lab(to_uint8(lab_to_rgb(lab)) / 255)
    assert (result[:, 0] - lab[:, 0]).abs().mean() < 0.5  # clipping RGB moves it by 1.42
    vivid = result[:, 1:].norm(dim=1) > 20  # the hue of a nearly grey 8-bit colour is not defined well
    cosine = torch.cosine_similarity(result[:, 1:], lab[:, 1:], dim=1)[vivid]
    assert cosine.mean() > 0.999
    assert (result[:, 1:].norm(dim=1) <= lab[:, 1:].norm(dim=1) + 1.5).all()  # 1.5: 8-bit steps of dark colours
    # where the wanted colour exists in sRGB, it is what comes out
    wanted = torch.tensor([60.0, 20.0, -30.0]).reshape(1, 3, 1, 1)
    assert torch.allclose(rgb_to_lab(lab_to_rgb(wanted)), wanted, atol=1e-2)


def test_lightness_outside_the_scale_is_limited():
    lab = torch.tensor([[-5.0, 120.0], [0, 0], [0, 0]]).reshape(1, 3, 1, 2)
    assert torch.equal(to_uint8(lab_to_rgb(lab)).flatten(1), torch.tensor([[0, 255] * 3], dtype=torch.uint8))


@pytest.mark.parametrize("function", [rgb_to_lab, lab_to_rgb])
def test_gradients_are_finite_everywhere(function):
    greys = torch.linspace(0, 1, 256).expand(3, 256).reshape(1, 3, 256, 1)
    random = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for rgb in (greys, CUBE, random):
        x = rgb.clone() if function is rgb_to_lab else rgb_to_lab(rgb) * torch.tensor([1.0, 2, 2])[:, None, None]
        x = x.detach().requires_grad_()
        function(x).sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert (x.grad != 0).any()


def test_inputs_are_the_networks_scale(astronaut: torch.Tensor):
    lab = rgb_to_lab(astronaut)
    lightness, chroma = lab_to_inputs(lab)
    assert lightness.shape == (1, 1, 512, 512)
    assert chroma.shape == (1, 2, 512, 512)
    assert lightness.min() >= -1
    assert lightness.max() <= 1
    assert torch.allclose(inputs_to_lab(lightness, chroma), lab, atol=1e-4)


def test_mixed_precision_leaves_colours_alone():
    rgb = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        lab = rgb_to_lab(rgb)
        back = lab_to_rgb(lab)
    assert lab.dtype == torch.float32
    assert torch.equal(lab, rgb_to_lab(rgb))
    assert (back - rgb).abs().max() < 1e-3
