"""Our strided convolutions compute the same as those of torch."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from colorgan.convolution import Conv2d, ConvTranspose2d


def torch_class(ours: type[nn.Module]) -> Any:
    return ours.__base__


def gradients(layer: nn.Module, x: torch.Tensor) -> tuple[str, list[Any]]:
    """The names of the functions that made the output, the output, and the gradients of a weighted sum of it."""
    x = x.clone().requires_grad_()
    y = layer(x)
    way = f"{y.grad_fn.name()} {y.grad_fn.next_functions[0][0]}"  # the last function may be that which added the bias
    (y.float() * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
    return way, [y.detach(), x.grad, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize("ours", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize(("kernel", "padding", "bias"), [(4, 1, False), (2, 0, True), ((4, 2), (1, 0), True)])
@pytest.mark.parametrize(
    "small", [(1, 1), (2, 2), (3, 4)]
)  # the last one: only the weights' gradient is a matrix product
def test_gradients_are_torch_s(ours: type[nn.Module], kernel: int, padding: int, bias: bool, small: tuple[int, int]):
    torch.manual_seed(0)
    layer = ours(6, 10, kernel, stride=2, padding=padding, bias=bias)
    theirs = torch_class(ours)(6, 10, kernel, stride=2, padding=padding, bias=bias)
    theirs.load_state_dict(layer.state_dict())
    height, width = small if ours is ConvTranspose2d else (2 * side + 1 for side in small)
    x = torch.randn(3, 6, height, width).bfloat16().float()
    with torch.no_grad():
        for parameters in zip(layer.parameters(), theirs.parameters(), strict=True):
            for parameter in parameters:
                parameter.copy_(parameter.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        way, mine = gradients(layer, x)
    assert "_Convolution" in way
    for a, b in zip(mine, gradients(theirs, x)[1], strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a.float(), b, rtol=0.02, atol=0.02 * b.abs().max().item())


@pytest.mark.parametrize("ours", [Conv2d, ConvTranspose2d])
def test_a_frozen_layer_passes_the_same_gradient_on(ours: type[nn.Module]):
    torch.manual_seed(0)
    layer = ours(6, 10, 4, 2, 1, bias=False).requires_grad_(False)
    x = torch.randn(3, 6, 2, 2) if layer.transposed else torch.randn(3, 6, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        way, mine = gradients(layer, x)
    assert "_Convolution" in way
    theirs = torch_class(ours).forward(layer, x.requires_grad_())
    (theirs * torch.linspace(-1, 1, theirs.numel()).view(theirs.shape)).sum().backward()
    assert x.grad is not None
    for a, b in zip(mine[:2], (theirs, x.grad), strict=True):
        torch.testing.assert_close(a.float(), b, rtol=0.02, atol=0.02 * b.abs().max().item())


def test_where_torch_is_fast_it_is_asked():
    layer = Conv2d(6, 10, 4, 2, 1)
    assert "_Convolution" not in gradients(layer, torch.randn(3, 6, 4, 4))[0]  # float32
    with torch.autocast("cpu", torch.bfloat16):
        assert "_Convolution" not in gradients(layer, torch.randn(3, 6, 32, 32))[0]  # many positions
        layer.requires_grad_(False)
        assert "_Convolution" not in gradients(layer, torch.randn(3, 6, 8, 8))[0]  # no weights' gradient wanted


@pytest.mark.parametrize("ours", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize("precise", [True, False])
def test_a_normalised_weight_is_computed_once(ours: type[nn.Module], precise: bool):
    layer, theirs = (spectral_norm(kind(6, 10, 4, 2, 1)) for kind in (ours, torch_class(ours)))
    theirs.load_state_dict(layer.state_dict())
    with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
        layer(torch.randn(3, 6, 4, 4))
        theirs(torch.randn(3, 6, 4, 4))
    for name, buffer in theirs.named_buffers():  # the power iteration of the spectral norm changes them
        torch.testing.assert_close(layer.get_buffer(name), buffer)
