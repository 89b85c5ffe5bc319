"""Strided convolutions that train faster on a CPU; everywhere else they are torch's own, and so are their weights.

On maps of few positions torch's bfloat16 kernels are slow at the weights' gradient (bench/README.md). There it is one
large matrix product here: of every position's output with every position's patch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

FEW = 16  # positions of the smaller map up to which the product is faster (`python bench/train.py`)


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` without dilation and groups."""

    def forward(self, x: Tensor) -> Tensor:
        if _is_slow(self.weight, x.shape[-2] * x.shape[-1] // (self.stride[0] * self.stride[1])):
            return _Convolution.apply(x.bfloat16(), self.weight.bfloat16(), self.bias, self)
        return super().forward(x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d` without dilation, groups and output padding."""

    def forward(self, x: Tensor) -> Tensor:
        if _is_slow(self.weight, x.shape[-2] * x.shape[-1]):
            return _Convolution.apply(x.bfloat16(), self.weight.bfloat16(), self.bias, self)
        return super().forward(x)


def _is_slow(weight: Tensor, positions: int) -> bool:
    return (
        positions <= FEW
        and weight.device.type == "cpu"
        and weight.requires_grad
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None, layer: nn.Module) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.layer, ctx.bias_sizes = layer, None if bias is None else bias.shape
        bias = None if bias is None else bias.to(x.dtype)
        convolve = F.conv_transpose2d if layer.transposed else F.conv2d
        return convolve(x, weight, bias, layer.stride, layer.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, transposed = ctx.layer.stride, ctx.layer.padding, ctx.layer.transposed
        for_x, _, for_bias = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            ctx.bias_sizes,
            stride,
            padding,
            (1, 1),
            transposed,
            (0, 0),
            1,
            (ctx.needs_input_grad[0], False, ctx.bias_sizes is not None),
        )
        large, small = (gradient, x) if transposed else (x, gradient)
        for_weight = _rows(small).T @ _patches(large, weight.shape[-2:], stride, padding)
        height, width = weight.shape[-2:]
        for_weight = for_weight.view(weight.shape[0], height, width, weight.shape[1]).permute(0, 3, 1, 2)
        return for_x, for_weight, for_bias, None


def _rows(x: Tensor) -> Tensor:
    """Every position of (N, C, H, W) as a row, (N * H * W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _patches(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """The part of (N, C, H, W) under the kernel at each of its places, (N * places, kernel height * width * C)."""
    (top, left), (height, width) = padding, kernel
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, left, top, top)).contiguous()
    patches = x.unfold(1, height, stride[0]).unfold(2, width, stride[1])  # (N, rows, columns, C, height, width)
    return patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * x.shape[-1])
