"""The U-Nets: the networks inside a Generator, which pads its inputs and crops their outputs.

All take lightness (N, 1, H, W) whose sides are divisible by `multiple`, and predict chroma for cells of `stride` x
`stride` pixels. `render_size` is the shorter side, in pixels, at which they see a photograph best.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorgan.convolution import Conv2d, ConvTranspose2d


class ResidualUNet(nn.Module):
    """A U-Net of residual blocks at half resolution, with attention at an eighth (4x4 for an image of 32x32).

    Half the resolution takes a quarter of the time, and suffices because chroma is smooth. Pixel unshuffling at the
    input and pixel shuffling at the output keep the full resolution.
    """

    stride, multiple, render_size = 1, 16, 48  # pixel unshuffle, then three halvings

    def __init__(self, width: int):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 4 * width]  # at 16x16, 8x8, 4x4 and 2x2 for a 32x32 image
        self.stem = nn.Conv2d(4, width, 3, padding=1)
        self.encoder = nn.ModuleList(ResidualBlock(c) for c in widths)
        self.down = nn.ModuleList(Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.attention = Attention(widths[2], heads=4)
        self.middle = ResidualBlock(widths[-1])
        self.up = nn.ModuleList(ConvTranspose2d(b, a, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.fuse = nn.ModuleList(nn.Conv2d(2 * c, c, 1) for c in widths[:-1])
        self.decoder = nn.ModuleList(ResidualBlock(c) for c in widths[:-1])
        self.head = nn.Conv2d(width, 8, 3, padding=1)

    def forward(self, lightness: Tensor) -> Tensor:
        x = self.stem(F.pixel_unshuffle(lightness, 2))
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x)
            if level == 2:
                x = self.attention(x)
            if level < 3:
                skips.append(x)
                x = self.down[level](x)
        x = self.middle(x)
        for level in reversed(range(3)):
            x = self.fuse[level](torch.cat([self.up[level](x), skips[level]], dim=1))
            x = self.decoder[level](x)
        return torch.tanh(F.pixel_shuffle(self.head(F.silu(x)), 2))


class PhotoUNet(nn.Module):
    """A residual U-Net for photographs: chroma and logits of `bins` colours for cells of 4x4 pixels.

    A quarter of the input's size suffices because chroma is smooth; an input of 128x128 pixels then takes as long as
    one of 64x64 in a `ResidualUNet`. Most blocks, and attention, are at the two lowest resolutions (8x8 and 4x4 for
    128x128), because the colour of a thing depends on what the picture shows. The centres of the bins (bins, 2), in Lab
    units, and their weights in the loss (bins,) are saved with the network's weights.

    With `takes_hints`, it can also see hints (N, 3, H / 4, W / 4) as in Zhang et al. 2017: the chroma of cells whose
    colour is known, and a mask that is 1 there; everything is 0 in the other cells. The first convolution of the hints
    begins with weights of zero, so that a network that is trained further with hints begins as what it was.
    """

    stride, multiple, render_size = 4, 32, 64  # pixel unshuffle by 4, then three halvings
    centres: Tensor
    weights: Tensor

    def __init__(self, width: int, bins: int, takes_hints: bool = False):
        super().__init__()
        widths, blocks = [width, 2 * width, 4 * width, 4 * width], [1, 1, 2, 2]  # of each level, the finest first
        self.stem = nn.Conv2d(16, width, 3, padding=1)
        self.hints = nn.Conv2d(3, width, 3, padding=1, bias=False) if takes_hints else None
        if self.hints is not None:
            nn.init.zeros_(self.hints.weight)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(c) for _ in range(count)), *([Attention(c, heads=4)] if level > 1 else []))
            for level, (c, count) in enumerate(zip(widths, blocks, strict=True))
        )
        self.down = nn.ModuleList(Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(ConvTranspose2d(b, a, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.fuse = nn.ModuleList(nn.Conv2d(2 * c, c, 1) for c in widths[:-1])
        self.decoder = nn.ModuleList(ResidualBlock(c) for c in widths[:-1])
        self.chroma = nn.Conv2d(width, 2, 3, padding=1)
        self.bins = nn.Conv2d(width, bins, 1)
        self.register_buffer("centres", torch.zeros(bins, 2))
        self.register_buffer("weights", torch.ones(bins))

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.stem(F.pixel_unshuffle(lightness, self.stride))
        if hints is not None:
            assert self.hints is not None, "this network does not take hints"
            x = x + self.hints(hints)
        skips = []
        for stage, down in zip(self.encoder, self.down, strict=False):  # `encoder` has one stage more than `down`
            skips.append(stage(x))
            x = down(skips[-1])
        x = self.encoder[-1](x)
        for level in reversed(range(3)):
            x = self.fuse[level](torch.cat([self.up[level](x), skips[level]], dim=1))
            x = self.decoder[level](x)
        x = F.silu(x)
        return torch.tanh(self.chroma(x)), self.bins(x)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm added to their input (He et al. 2016); its initial output is its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(F.silu(self.norm1(self.conv1(x)))))


class Attention(nn.Module):
    """Multi-head self-attention over all positions of a feature map, added to its input."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.BatchNorm2d(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w)
        query, key, value = qkv.transpose(-1, -2).unbind(1)  # each (N, heads, H * W, C / heads)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.transpose(-1, -2).reshape(n, c, h, w))


class Pix2PixUNet(nn.Module):
    """A U-Net of 4x4 convolutions down to 2x2 and transposed convolutions up again (Nazeri et al. 2018, for CIFAR-10).

    16.65 M parameters at width 64. The first convolution keeps the size, the other four halve it.
    """

    stride, multiple, render_size = 1, 16, 48

    def __init__(self, width: int):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        first = nn.Conv2d(1, width, 4, bias=False)
        halving = [Conv2d(a, b, 4, 2, 1, bias=False) for a, b in itertools.pairwise(widths)]
        self.encoder = nn.ModuleList(
            nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.LeakyReLU(0.2)) for conv in [first, *halving]
        )
        outputs = [8 * width, 4 * width, 2 * width, width]
        inputs = [
            8 * width,
            16 * width,
            8 * width,
            4 * width,
        ]  # all but the first also get the channels of a skip connection
        self.decoder = nn.ModuleList(
            nn.Sequential(ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in zip(inputs, outputs, strict=True)
        )
        self.head = nn.Conv2d(2 * width, 2, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        skips, x = [], F.pad(lightness, (1, 2, 1, 2))  # so that the first convolution keeps the size
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for stage in self.decoder:
            x = torch.cat([stage(x), skips.pop()], dim=1)
        return torch.tanh(self.head(x))


class ClassicUNet(nn.Module):
    """A U-Net of pairs of 3x3 convolutions, four poolings and transposed convolutions (Ronneberger et al. 2015).

    34.5 M parameters at width 64: the size of M4mbo's auto encoder, for comparison.
    """

    stride, multiple, render_size = 1, 16, 48

    def __init__(self, width: int):
        super().__init__()
        widths = [width * 2**i for i in range(5)]
        self.encoder = nn.ModuleList(_pair(a, b) for a, b in itertools.pairwise([1, *widths]))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 3, 2, 1, output_padding=1) for a, b in itertools.pairwise(widths)
        )
        self.decoder = nn.ModuleList(_pair(2 * c, c) for c in widths[:-1])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        x, skips = self.encoder[0](lightness), []
        for stage in self.encoder[1:]:
            skips.append(x)
            x = stage(F.max_pool2d(x, 2))
        for level in reversed(range(4)):
            x = self.decoder[level](torch.cat([self.up[level](x), skips[level]], dim=1))
        return torch.tanh(self.head(x))


def _pair(before: int, after: int) -> nn.Sequential:
    layers = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
