"""sRGB and CIE 1976 L*a*b* (D65, 2 degrees) as batched PyTorch functions.

`rgb` is sRGB in [0, 1] and `lab` has L in [0, 100]; both are (..., 3, H, W) float32 on any device. The networks take
`lightness = L / 50 - 1` and return `chroma = ab / 110`.
"""

import math

import torch
from torch import Tensor

LIGHTNESS_SCALE, CHROMA_SCALE = 50, 110  # Lab units per unit of the networks' lightness and chroma

# sRGB's transfer function (IEC 61966-2-1): a straight line for dark values, a power for all others
SRGB_THRESHOLD, LINEAR_THRESHOLD = 0.04045, 0.0031308  # where the line ends, in sRGB and in linear RGB
SRGB_SLOPE, SRGB_OFFSET, SRGB_GAMMA = 12.92, 0.055, 2.4

# CIE 1976: L = 116 f(Y) - 16, where f is a cube root, and a straight line for dark colours
CIE_THRESHOLD, CIE_SLOPE, CIE_OFFSET = 0.008856, 7.787, 16 / 116  # of Y, where the line ends; f = slope * Y + offset
CIE_F_THRESHOLD = 0.2068966  # of f, where the line ends

# linear RGB to XYZ, rounded as in scikit-image, so that results agree with it
XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
    device="cpu",
)
RGB_FROM_XYZ = torch.linalg.inv(XYZ_FROM_RGB)
# f(X), f(Y) and f(Z) beyond their common part, from a and b
F_FROM_AB = torch.tensor([[1 / 500, 0], [0, 0], [0, -1 / 200]], dtype=torch.float64, device="cpu")
WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64, device="cpu")  # XYZ of D65, 2 degrees
# Linear RGB may leave [0, 1] by this much before a colour counts as outside sRGB. The rounding errors of float32 move
# the corners of the colour cube outside by less, and clipping what is left changes 8-bit results by 0.33 of a level.
GAMUT_TOLERANCE = 1e-4
GAMUT_STEPS = 12  # of the bisection for the largest ab inside sRGB; with the networks' ab, far finer than 8 bits


def srgb_to_linear(rgb: Tensor) -> Tensor:
    """Convert sRGB to linear RGB, both in [0, 1]. Gradients are finite everywhere."""
    power = ((rgb.clamp(min=SRGB_THRESHOLD) + SRGB_OFFSET) / (1 + SRGB_OFFSET)) ** SRGB_GAMMA
    return torch.where(rgb > SRGB_THRESHOLD, power, rgb / SRGB_SLOPE)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Convert linear RGB to sRGB, both in [0, 1]. Gradients are finite everywhere."""
    power = (1 + SRGB_OFFSET) * linear.clamp(min=LINEAR_THRESHOLD) ** (1 / SRGB_GAMMA) - SRGB_OFFSET
    return torch.where(linear > LINEAR_THRESHOLD, power, SRGB_SLOPE * linear)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB in [0, 1] to L*a*b*, both (..., 3, H, W). Gradients are finite everywhere, also at black."""
    xyz = _mix(srgb_to_linear(rgb), XYZ_FROM_RGB / WHITE[:, None])
    root = xyz.clamp(min=CIE_THRESHOLD) ** (1 / 3)
    x, y, z = torch.where(xyz > CIE_THRESHOLD, root, CIE_SLOPE * xyz + CIE_OFFSET).unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def lab_to_rgb(lab: Tensor, tolerance: float = GAMUT_TOLERANCE) -> Tensor:
    """Convert L*a*b* to sRGB in [0, 1], both (..., 3, H, W); L is first limited to [0, 100].

    Colours outside sRGB keep their lightness and hue: their ab is multiplied by the largest factor in [0, 1] that
    brings them into sRGB. (Clipping RGB would change lightness, hue and chroma.) The factor counts as a constant for
    gradients, which are finite everywhere.
    """
    linear = lab_to_linear(lab[..., :1, :, :].clamp(0, 100), lab[..., 1:, :, :], tolerance)
    return linear_to_srgb(linear.clamp(0, 1))


def lab_to_linear(
    lightness: Tensor, ab: Tensor, tolerance: float = GAMUT_TOLERANCE, steps: int = GAMUT_STEPS
) -> Tensor:
    """Convert L (..., 1, H, W) and ab (..., 2, H, W) to linear RGB (..., 3, H, W) inside sRGB.

    Colours outside sRGB are treated as in `lab_to_rgb`; results can be outside [0, 1] by `tolerance`. The factor of
    their ab is too small by at most 0.5 to the power of `steps`.
    """
    linear = _unlimited_linear(lightness, ab)
    outside = _out_of_gamut(linear.detach(), tolerance).flatten().nonzero().squeeze(1)
    if not len(outside):
        return linear
    # only the P pixels outside are computed again: in most pictures they are few
    outside_lightness, outside_ab = lightness.flatten()[outside], ab.movedim(-3, 0).flatten(1).index_select(1, outside)
    with torch.no_grad():
        factor = _gamut_factor(outside_lightness, outside_ab, tolerance, steps)
    inside = _unlimited_linear(outside_lightness[None, :, None], (outside_ab * factor)[..., None])[..., 0]
    planes = linear.movedim(-3, 0).flatten(1)  # (3, all pixels)
    planes.index_copy_(1, outside, inside)
    return planes.reshape(3, *lightness.squeeze(-3).shape).movedim(0, -3)


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert luminance Y in [0, 1] to L* in [0, 100]; the shape is kept."""
    line = 116 * CIE_SLOPE * luminance
    return torch.where(luminance > CIE_THRESHOLD, 116 * luminance ** (1 / 3) - 16, line).clamp_(0, 100)


def srgb_luminance_tables(channels: int, levels: int) -> Tensor:
    """The share of luminance Y that each level of each sRGB channel adds: (channels, levels) float32 on the CPU.

    `channels` is 3 for RGB or 1 for grey; `levels` is 256 or 65536. The highest levels of all channels sum to 1.
    """
    weights = XYZ_FROM_RGB[1] if channels == 3 else torch.ones(1, dtype=torch.float64, device="cpu")
    linear = srgb_to_linear(torch.linspace(0, 1, levels, dtype=torch.float64, device="cpu"))
    return torch.outer(weights / weights.sum(), linear).float()


def lightness_of_bytes(rgb: Tensor) -> Tensor:
    """L* (N, 1, H, W) of 8-bit sRGB (N, 3, H, W), computed as `colorgan.photo.read_photo` computes it."""
    table, levels = srgb_luminance_tables(3, 256).to(rgb.device), rgb.long()
    luminance = table[0][levels[:, 0]] + table[1][levels[:, 1]] + table[2][levels[:, 2]]
    return luminance_to_lightness(luminance)[:, None]


def lab_to_inputs(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Split lab into the networks' lightness (..., 1, H, W) and chroma (..., 2, H, W), both about [-1, 1]."""
    return lab[..., :1, :, :] / LIGHTNESS_SCALE - 1, lab[..., 1:, :, :] / CHROMA_SCALE


def lightness_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """The networks' lightness and chroma of sRGB in [0, 1], (N, 3, H, W), in channels-last memory format."""
    lightness, chroma = lab_to_inputs(rgb_to_lab(rgb))
    return lightness.contiguous(memory_format=torch.channels_last), chroma.contiguous(memory_format=torch.channels_last)


def inputs_to_lab(lightness: Tensor, chroma: Tensor) -> Tensor:
    """The inverse of `lab_to_inputs`."""
    return torch.cat([(lightness + 1) * LIGHTNESS_SCALE, chroma * CHROMA_SCALE], dim=-3)


def to_uint8(rgb: Tensor) -> Tensor:
    """Round sRGB in [0, 1] to 8 bits."""
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8)


def _mix(channels: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the channels (..., C, H, W) of every pixel by a matrix (D, C), in float32."""
    with torch.autocast(channels.device.type, enabled=False):  # half precision would change colours by whole Lab units
        channels = channels.float()
        return torch.einsum("oc,...chw->...ohw", matrix.to(channels), channels)


def _unlimited_linear(lightness: Tensor, ab: Tensor) -> Tensor:
    """Convert L (..., 1, H, W) and ab (..., 2, H, W) to linear RGB; colours outside sRGB are outside [0, 1]."""
    xyz = _from_root((lightness + 16) / 116 + _mix(ab, F_FROM_AB))
    luminance = xyz[..., 1:2, :, :]
    # each row of the matrix sums to 1, so that greys have three equal channels exactly
    return luminance + _mix(xyz - luminance, RGB_FROM_XYZ * WHITE)


def _from_root(f: Tensor) -> Tensor:
    """X, Y or Z, relative to white, of f(X), f(Y) or f(Z): the inverse of the cube root with a line."""
    cubed = f.clamp(min=CIE_F_THRESHOLD)
    return cubed**3 + (f - cubed) / CIE_SLOPE


def _out_of_gamut(linear: Tensor, tolerance: float) -> Tensor:
    """Which pixels (..., H, W) of linear RGB (..., 3, H, W) are outside [0, 1] by more than `tolerance`."""
    return (linear.amin(-3) < -tolerance) | (linear.amax(-3) > 1 + tolerance)


def _gamut_factor(lightness: Tensor, ab: Tensor, tolerance: float, steps: int) -> Tensor:
    """The largest factor in [0, 1], (P,), that brings the ab (2, P) of each pixel into sRGB at its L (P,) and hue.

    Bisection in so many `steps`: the factor is at most 0.5 to that power too small, with 12 steps 1/4096. With the
    networks' ab of at most about 128, that is far less than an 8-bit step; with ab multiplied by a saturation of ten or
    more, it can be one step.
    """
    root, change = (lightness + 16) / 116, _mix(ab[..., None], F_FROM_AB[::2])  # f(Y); f(X) - f(Y) and f(Z) - f(Y)
    luminance, matrix = _from_root(root), (RGB_FROM_XYZ * WHITE)[:, ::2]
    least, most = -tolerance - luminance, 1 + tolerance - luminance
    factor = torch.zeros_like(lightness)
    for step in (0.5**k for k in range(1, steps + 1)):
        beyond = _from_root(torch.addcmul(root, change[..., 0], factor + step)) - luminance
        rgb = _mix(beyond[..., None], matrix)[..., 0]  # without the luminance, which is the same in all channels
        factor += ((rgb.amin(0) >= least) & (rgb.amax(0) <= most)) * step
    return factor


def ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """Return the colour difference CIEDE2000 (N, ...) of each pixel of two Lab tensors (N, 3, ...).

    Formula: Sharma, Wu and Dalal 2005, with kL = kC = kH = 1.
    """
    (lightness1, a1, b1), (lightness2, a2, b2) = lab1.unbind(1), lab2.unbind(1)
    chroma_mean = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * (chroma_mean**7 / (chroma_mean**7 + 25.0**7)).sqrt()
    a1, a2 = stretch * a1, stretch * a2
    chroma1, chroma2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    hue1, hue2 = torch.atan2(b1, a1), torch.atan2(b2, a2)
    coloured = chroma1 * chroma2 > 0

    turn = hue2 - hue1
    turn = turn - 2 * math.pi * torch.round(turn / (2 * math.pi))  # the smaller of the two angles between the hues
    hue_difference = 2 * (chroma1 * chroma2).sqrt() * torch.sin(turn * coloured / 2)
    hue_mean = torch.where(coloured, hue1 + turn / 2, hue1 + hue2)
    lightness_mean, chroma_mean = (lightness1 + lightness2) / 2, (chroma1 + chroma2) / 2

    degree = math.pi / 180
    t = (
        1
        - 0.17 * torch.cos(hue_mean - 30 * degree)
        + 0.24 * torch.cos(2 * hue_mean)
        + 0.32 * torch.cos(3 * hue_mean + 6 * degree)
        - 0.20 * torch.cos(4 * hue_mean - 63 * degree)
    )
    off_grey = (lightness_mean - 50).square()
    scaled_lightness = (lightness2 - lightness1) / (1 + 0.015 * off_grey / (20 + off_grey).sqrt())
    scaled_chroma = (chroma2 - chroma1) / (1 + 0.045 * chroma_mean)
    scaled_hue = hue_difference / (1 + 0.015 * chroma_mean * t)
    blueness = torch.exp(-(((hue_mean / degree) % 360 - 275) / 25).square())
    rotation = -2 * (chroma_mean**7 / (chroma_mean**7 + 25.0**7)).sqrt() * torch.sin(60 * degree * blueness)
    squared = scaled_lightness**2 + scaled_chroma**2 + scaled_hue**2 + rotation * scaled_chroma * scaled_hue
    return squared.clamp(min=0).sqrt()
