"""The colours that a network finds plausible in each cell of a photograph."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from colorgan.color import CHROMA_SCALE
from colorgan.inference.hints import Hint
from colorgan.inference.inputs import network_inputs
from colorgan.inference.predictor import Predictor, hints_for
from colorgan.models import Generator
from colorgan.parallel import on_one_core
from colorgan.photo.read import Photo

CANDIDATES = 64  # of the most probable colours
ERROR = 15.0  # Lab units, the standard deviation of the errors in a and in b of a network without a classification
GRID = torch.cartesian_prod(*2 * [torch.arange(-40.0, 41, 10, device="cpu")])  # of its candidates around a prediction


@dataclass(frozen=True, eq=False)
class ColorDistribution:
    """The colours that a network finds plausible in each cell of a photograph.

    Of a network with a classification, `probability` (bins, h, w) sums to 1 in each cell, and `ab` (bins, 2) has the
    colours of the bins. Of another network, both are None. `chroma` (2, h, w) in [-1, 1] is its prediction, whose
    errors are taken as normally distributed.
    """

    chroma: Tensor
    probability: Tensor | None = None
    ab: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """The size of the tensors in memory, in bytes."""
        return sum(tensor.nbytes for tensor in (self.chroma, self.probability, self.ab) if tensor is not None)

    def at(self, row: int, column: int) -> tuple[Tensor, Tensor]:
        """The most plausible colours of a cell, in Lab units (n, 2), and their probabilities (n,), which sum to 1."""
        if self.probability is None or self.ab is None:
            ab = self.chroma[:, row, column] * CHROMA_SCALE + GRID
            probability = (GRID.square().sum(1) / (-2 * ERROR**2)).softmax(0)
        else:
            ab, probability = self.ab, self.probability[:, row, column]
        probability, best = probability.topk(min(CANDIDATES, len(probability)))
        return ab[best], probability / probability.sum()

    def deviation(self) -> Tensor | None:
        """The standard deviation of the colours in each cell (h, w), in Lab units; None without a classification."""
        if self.probability is None or self.ab is None:
            return None
        mean = torch.einsum("khw,kc->chw", self.probability, self.ab)
        square = torch.einsum("khw,k->hw", self.probability, self.ab.square().sum(1))
        return (square - mean.square().sum(0)).clamp(min=0).sqrt()


@torch.inference_mode()
def color_distribution(
    predictor: Predictor, photo: Photo, render_size: int | None = None, hints: Sequence[Hint] = ()
) -> ColorDistribution:
    """Let the network see a photograph once, and return what colours it finds plausible there, on the CPU.

    `hints` are colours that are known at other places; they count if the network takes hints.
    """
    network = predictor.generator
    if not network.is_for_photographs:
        return ColorDistribution(predictor.network_chroma(photo, render_size=render_size).cpu())
    (lightness,) = on_one_core(network_inputs, photo, network, render_size)
    known = hints_for(network, lightness, hints)
    if known is not None:
        known = known[None].to(predictor.device)
    chroma, logits = on_one_core(network, lightness[None].to(predictor.device), known, True)
    unweighted = logits[0].float() - network.network.weights.log()[:, None, None]  # see `colorgan.bins.bins_loss`
    return ColorDistribution(chroma[0].cpu(), unweighted.softmax(0).cpu(), network.network.centres.cpu())


def need_distribution(hints: Sequence[Hint], network: Generator) -> bool:
    """Whether `correct_chroma` uses a distribution for these hints: not without a classification, nor in regions."""
    return network.is_for_photographs and any(hint.region is None for hint in hints)


def distribution_for(
    predictor: Predictor, photo: Photo, hints: Sequence[Hint], render_size: int | None = None
) -> ColorDistribution | None:
    """The distribution that `correct_chroma` needs for hints, if it needs one."""
    needed = need_distribution(hints, predictor.generator)
    return color_distribution(predictor, photo, render_size) if needed else None
