"""sRGB and CIE 1976 L*a*b* (D65, 2 degrees) as batched torch functions.

`rgb` is sRGB in [0, 1] and `lab` has L in [0, 100]; both are (..., 3, H, W) float32 on any device. The networks see
`lightness = L / 50 - 1` and `chroma = ab / 110`.
"""

import torch
from torch import Tensor

# IEC 61966-2-1 primaries, rounded as scikit-image rounds them, so that both agree to the last digit that matters
XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
RGB_FROM_XYZ = torch.linalg.inv(XYZ_FROM_RGB)
F_FROM_AB = torch.tensor([[1 / 500, 0], [0, 0], [0, -1 / 200]], dtype=torch.float64)  # f(X), f(Y), f(Z) of CIE 1976
WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)  # D65, 2 degrees
GAMUT_TOLERANCE = 1e-4  # in linear RGB; float32 noise at the cube's faces is not "out of gamut"


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB in [0, 1] to L*a*b*, both (..., 3, H, W). Gradients are finite everywhere, black included."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(linear, XYZ_FROM_RGB / WHITE[:, None])
    f = torch.where(xyz > 0.008856, xyz.clamp(min=0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert L*a*b* to sRGB in [0, 1], both (..., 3, H, W); L is first limited to [0, 100].

    Colours outside sRGB keep their lightness and hue: ab shrinks towards grey until the colour fits. (Clipping RGB
    would change all three.) The shrinking factor counts as a constant for gradients, which are finite everywhere.
    """
    lightness, ab = lab[..., :1, :, :].clamp(0, 100), lab[..., 1:, :, :]
    linear = lab_to_linear(lightness, ab)
    with torch.no_grad():
        outside = out_of_gamut(linear)
    if outside.any():
        scale = torch.ones_like(lightness.squeeze(-3))
        # only the pixels outside, as (1, P, 1) and (2, P, 1): a photograph with a few of them costs little
        scale[outside] = gamut_scale(
            lightness.detach().squeeze(-3)[outside][None, :, None],
            ab.detach().movedim(-3, 0)[:, outside][..., None],
        ).flatten()
        ab = ab * scale.unsqueeze(-3)
        linear = lab_to_linear(lightness, ab)
    linear = linear.clamp(0, 1)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear)


def lab_to_inputs(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Split lab into the networks' lightness (..., 1, H, W) and chroma (..., 2, H, W), both about [-1, 1]."""
    return lab[..., :1, :, :] / 50 - 1, lab[..., 1:, :, :] / 110


def lightness_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """The networks' inputs for sRGB in [0, 1], (N, 3, H, W), in the memory layout that convolutions like."""
    lightness, chroma = lab_to_inputs(rgb_to_lab(rgb))
    return lightness.contiguous(memory_format=torch.channels_last), chroma.contiguous(memory_format=torch.channels_last)


def inputs_to_lab(lightness: Tensor, chroma: Tensor) -> Tensor:
    """The inverse of `lab_to_inputs`."""
    return torch.cat([(lightness + 1) * 50, chroma * 110], dim=-3)


def to_uint8(rgb: Tensor) -> Tensor:
    """Round sRGB in [0, 1] to 8 bits."""
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8)


def _mix(channels: Tensor, matrix: Tensor) -> Tensor:
    with torch.autocast(channels.device.type, enabled=False):  # in half precision, colours would be off by units
        channels = channels.float()
        return torch.einsum("oc,...chw->...ohw", matrix.to(channels), channels)


def lab_to_linear(lightness: Tensor, ab: Tensor) -> Tensor:
    """Convert L (..., 1, H, W) and ab (..., 2, H, W) to linear RGB (..., 3, H, W); outside [0, 1] is outside sRGB."""
    f = (lightness + 16) / 116 + _mix(ab, F_FROM_AB)
    bright = f.clamp(min=0.2068966)  # below it, the inverse is a straight line
    xyz = bright**3 + (f - bright) / 7.787
    luminance = xyz[..., 1:2, :, :]
    return luminance + _mix(xyz - luminance, RGB_FROM_XYZ * WHITE)  # its rows sum to one; so grey is exactly grey


def out_of_gamut(linear: Tensor, tolerance: float = GAMUT_TOLERANCE) -> Tensor:
    """Which pixels (..., H, W) of linear RGB (..., 3, H, W) are outside [0, 1] by more than `tolerance`."""
    return (linear.amin(-3) < -tolerance) | (linear.amax(-3) > 1 + tolerance)


def gamut_scale(lightness: Tensor, ab: Tensor, tolerance: float = GAMUT_TOLERANCE) -> Tensor:
    """The largest factor in [0, 1], (..., H, W), that brings the ab of every pixel into sRGB at its L and hue.

    Bisection in 12 steps: ab ends up to 1/4096 of what it was short of the edge. For the networks' ab, 128 or so at
    most, that is far below an 8-bit step; multiplied by a saturation of ten or more, it may be one.
    """
    scale = torch.zeros_like(lightness.squeeze(-3))
    for step in (0.5**k for k in range(1, 13)):
        outside = out_of_gamut(lab_to_linear(lightness, ab * (scale + step).unsqueeze(-3)), tolerance)
        scale += ~outside * step
    return scale
