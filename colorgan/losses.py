"""What generators and discriminators minimise."""

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.models import Classifier


def huber(predicted: Tensor, chroma: Tensor) -> Tensor:
    """Squared below 5.5 Lab units, linear above, so that a few vivid pixels do not rule."""
    return F.smooth_l1_loss(predicted, chroma, beta=0.05)


RECONSTRUCTION = {"mse": F.mse_loss, "l1": F.l1_loss, "huber": huber}


def discriminator_loss(kind: str, real: Tensor, generated: Tensor) -> Tensor:
    """What the discriminator minimises, from its logits for real and for generated colours.

    `bce`: -log D(real) - log(1 - D(generated)) (Goodfellow et al. 2014). `hinge`: Lim and Ye 2017.
    """
    if kind == "bce":
        return F.softplus(-real).mean() + F.softplus(generated).mean()
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()


def generator_loss(kind: str, generated: Tensor) -> Tensor:
    """What the generator minimises, from the discriminator's logits for its colours.

    `bce`: -log D(generated), the non-saturating form. `hinge`: the mean logit, negated.
    """
    return F.softplus(-generated).mean() if kind == "bce" else -generated.mean()


def feature_loss(classifier: Classifier, lightness: Tensor, predicted: Tensor, chroma: Tensor) -> Tensor:
    """Mean absolute difference of a classifier's features between predicted and true chroma (Johnson et al. 2016).

    Each stage is divided by the truth's mean absolute feature, so that all stages count alike.
    """
    with torch.no_grad():
        wanted = classifier.features(lightness, chroma)
    seen = classifier.features(lightness, predicted)
    parts = [F.l1_loss(a, b) / b.abs().mean().clamp(min=1e-6) for a, b in zip(seen, wanted, strict=True)]
    return torch.stack(parts).mean()
