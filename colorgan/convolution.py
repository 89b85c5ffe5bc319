"""Convolutions that train faster on a CPU. Elsewhere they are those of torch, whose weights they share.

torch's bfloat16 kernels are slow for small feature maps (bench/README.md). For these, the gradient of the weights is
computed here as one large matrix product: the gradient of the output at all positions times the input patches at all
positions. For the smallest maps, where much of the kernel lies outside the map, the other passes are matrix products
as well: one for each position, of the part inside the map.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

FEW = 16  # positions of the smaller map up to which one product for the weights' gradient is faster
FEWER = 4  # positions up to which one product for each position is faster (`python bench/training_speed.py` for both)


class Conv2d(nn.Conv2d):
    """A strided convolution for small feature maps: `torch.nn.Conv2d` without dilation and groups, faster on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight  # only once, because a spectral norm computes it at every access
        if _is_slow(weight, input.shape[-2] * input.shape[-1] // (self.stride[0] * self.stride[1])):
            return _convolve(input, weight, self)
        return F.conv2d(input, weight, self.bias, self.stride, self.padding)


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution for small feature maps, faster on a CPU.

    It is `torch.nn.ConvTranspose2d` without dilation, groups and output padding.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight = self.weight
        if output_size is not None:
            raise ValueError("colorgan's ConvTranspose2d has no output_size.")
        if _is_slow(weight, input.shape[-2] * input.shape[-1]):
            return _convolve(input, weight, self)
        return F.conv_transpose2d(input, weight, self.bias, self.stride, _pair(self.padding))


Layer = Conv2d | ConvTranspose2d


def _pair(padding: str | tuple[int, ...]) -> tuple[int, ...]:
    """The padding of a layer, which torch annotates as possibly a name such as `same`."""
    assert not isinstance(padding, str)
    return padding


def _is_slow(weight: Tensor, positions: int) -> bool:
    """Whether torch's kernel would be slower; `positions` are those of the smaller map."""
    return (
        positions <= (FEW if weight.requires_grad else FEWER)
        and weight.device.type == "cpu"
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
    )


def _convolve(x: Tensor, weight: Tensor, layer: Layer) -> Tensor:
    y = _Convolution.apply(x.bfloat16(), weight.bfloat16(), layer)
    return y if layer.bias is None else y + layer.bias.bfloat16()[:, None, None]


class _Convolution(torch.autograd.Function):
    """A convolution from a large map to a small one, or transposed; the gradient goes the other way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, layer: Layer) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.layer = layer
        return _up(x, weight, layer) if layer.transposed else _down(x, weight, layer)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = grad_outputs
        (x, weight), layer = ctx.saved_tensors, ctx.layer
        large, small = (gradient, x) if layer.transposed else (x, gradient)
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            for_x = _down(large, weight, layer) if layer.transposed else _up(small, weight, layer, large.shape[-2:])
        if ctx.needs_input_grad[1]:
            rows, columns = weight.shape[-2:]
            for_weight = _rows(small).T @ _patches(large, (rows, columns), layer.stride, _pair(layer.padding))
            for_weight = for_weight.view(len(weight), rows, columns, -1).permute(0, 3, 1, 2)
        return for_x, for_weight, None


def _down(large: Tensor, weight: Tensor, layer: Layer) -> Tensor:
    sides = zip(large.shape[-2:], layer.kernel_size, layer.stride, _pair(layer.padding), strict=True)
    height, width = [(side + 2 * padding - kernel) // stride + 1 for side, kernel, stride, padding in sides]
    if height * width > FEWER:
        return F.conv2d(large, weight, None, layer.stride, layer.padding)
    n, large, weight = len(large), large.permute(0, 2, 3, 1), weight.permute(0, 2, 3, 1)
    y = large.new_empty(n, height, width, len(weight))
    for place, patch, part in _places((height, width), large.shape[1:3], layer):
        y[place] = large[patch].reshape(n, -1) @ weight[part].reshape(len(weight), -1).T
    return y.permute(0, 3, 1, 2)


def _up(small: Tensor, weight: Tensor, layer: Layer, size: Sequence[int] | None = None) -> Tensor:
    sides = zip(small.shape[-2:], layer.kernel_size, layer.stride, _pair(layer.padding), strict=True)
    least = [(side - 1) * stride - 2 * padding + kernel for side, kernel, stride, padding in sides]
    height, width = size or least
    if small.shape[-2] * small.shape[-1] > FEWER:
        more = (height - least[0], width - least[1])
        return F.conv_transpose2d(small, weight, None, layer.stride, _pair(layer.padding), more)
    n, small, weight = len(small), small.permute(0, 2, 3, 1), weight.permute(0, 2, 3, 1)
    y = torch.zeros(
        n, height, width, weight.shape[-1]
    )  # float32, because patches overlap and their sum should be rounded only once
    for place, patch, part in _places(small.shape[1:3], (height, width), layer):
        kernel = weight[part]
        y[patch] += (small[place] @ kernel.reshape(len(weight), -1)).view(n, *kernel.shape[1:])
    return y.to(small.dtype).permute(0, 3, 1, 2)


def _places(
    small: Sequence[int], large: Sequence[int], layer: Layer
) -> Iterator[tuple[tuple, tuple[slice, ...], tuple[slice, ...]]]:
    """Yield the index of each position of the small map, of its patch of the large map, and of that part of the kernel.

    Tensors have the order (N, height, width, C). The parts of the kernel outside the large map are left out.
    """
    axes = []
    for axis in range(2):
        kernel, stride, padding = layer.kernel_size[axis], layer.stride[axis], _pair(layer.padding)[axis]
        starts = [place * stride - padding for place in range(small[axis])]
        patches = [slice(max(start, 0), min(start + kernel, large[axis])) for start in starts]
        axes.append([(p, slice(p.start - s, p.stop - s)) for p, s in zip(patches, starts, strict=True)])
    every = slice(None)
    for row, (rows, kernel_rows) in enumerate(axes[0]):
        for column, (columns, kernel_columns) in enumerate(axes[1]):
            yield (every, row, column), (every, rows, columns), (every, kernel_rows, kernel_columns)


def _rows(x: Tensor) -> Tensor:
    """Return (N, C, H, W) with every position as a row, (N * H * W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _patches(x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> Tensor:
    """Return the part of (N, C, H, W) under the kernel at each position, (N * positions, kernel height * width * C)."""
    (top, left), (height, width) = padding, kernel
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, left, top, top)).contiguous()
    patches = x.unfold(1, height, stride[0]).unfold(2, width, stride[1])  # (N, rows, columns, C, height, width)
    return patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * x.shape[-1])
