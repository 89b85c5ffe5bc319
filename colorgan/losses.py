"""The losses of generators and discriminators. All are means over the batch."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.bins import bins_loss
from colorgan.models import Classifier
from colorgan.unets import PhotoUNet


def huber(predicted: Tensor, chroma: Tensor) -> Tensor:
    """Squared error below 5.5 Lab units, linear above, so that a few vivid pixels do not dominate the loss."""
    return F.smooth_l1_loss(predicted, chroma, beta=0.05)


RECONSTRUCTION = {"mse": F.mse_loss, "l1": F.l1_loss, "huber": huber}


def heads_loss(
    reconstruction: Callable[[Tensor, Tensor], Tensor],
    network: PhotoUNet,
    heads: tuple[Tensor, Tensor],
    chroma: Tensor,
    lambda_chroma: float,
) -> dict[str, Tensor]:
    """The losses of the two heads of a `photo` network: `chroma`, `bins`, and `loss` = lambda_chroma * chroma + bins.

    `heads` are its outputs (N, 2, h, w) and (N, bins, h, w), `chroma` is the truth (N, 2, H, W) at the size of the
    input; the target of a cell is its mean colour. `reconstruction` is one of `RECONSTRUCTION`.
    """
    predicted, logits = heads
    cells = to_cells(chroma, predicted)
    chroma_loss = reconstruction(predicted, cells)
    classification = bins_loss(logits, cells, network.centres, network.weights)
    return {"loss": lambda_chroma * chroma_loss + classification, "chroma": chroma_loss, "bins": classification}


def to_cells(maps: Tensor, generated: Tensor) -> Tensor:
    """Average maps (N, C, H, W) over the cells of a generator's output (N, 2, h, w); returns (N, C, h, w).

    Generators of photographs predict one colour for a cell of several pixels, and a discriminator sees these cells.
    """
    size = (generated.shape[-2], generated.shape[-1])
    return maps if maps.shape[-2:] == generated.shape[-2:] else F.adaptive_avg_pool2d(maps, size)


def discriminator_loss(kind: str, real: Tensor, generated: Tensor) -> Tensor:
    """The loss of the discriminator, from its logits for real and for generated colours (any shapes).

    `bce`: -log D(real) - log(1 - D(generated)) (Goodfellow et al. 2014). `hinge`: Lim and Ye 2017.
    """
    if kind == "bce":
        return F.softplus(-real).mean() + F.softplus(generated).mean()
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()


def generator_loss(kind: str, generated: Tensor) -> Tensor:
    """The adversarial loss of the generator, from the discriminator's logits for its colours (any shape).

    `bce`: -log D(generated), the non-saturating form (Goodfellow et al. 2014). `hinge`: minus the mean logit.
    """
    return F.softplus(-generated).mean() if kind == "bce" else -generated.mean()


def feature_loss(classifier: Classifier, lightness: Tensor, predicted: Tensor, chroma: Tensor) -> Tensor:
    """Mean absolute difference of a classifier's features between predicted and true chroma (Johnson et al. 2016).

    The difference of each stage is divided by the truth's mean absolute feature, so that all stages have equal weight.
    """
    with torch.no_grad():
        wanted = classifier.features(lightness, chroma)
    seen = classifier.features(lightness, predicted)
    parts = [F.l1_loss(a, b) / b.abs().mean().clamp(min=1e-6) for a, b in zip(seen, wanted, strict=True)]
    return torch.stack(parts).mean()
