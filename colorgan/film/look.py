"""How a film is coloured."""

import math
from dataclasses import dataclass

from colorgan.inference.tone import STRENGTH, Tone, check_strength


@dataclass(frozen=True)
class Look:
    """How a film is coloured: the size at which the network sees it, the saturation, and the tone of a reference.

    Raises ValueError for a saturation or strength that is impossible.
    """

    render_size: int | None = None
    saturation: float = 1.0
    tone: Tone | None = None
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if not 0 <= self.saturation < math.inf:
            raise ValueError(f"The saturation must be 0 (grey) or a positive number, not {self.saturation}.")
        check_strength(self.strength)

    def record(self) -> dict[str, object]:
        """What decides about the colours, as JSON."""
        tone = None if self.tone is None else [self.strength, self.tone.curve.tolist()]
        return {"render_size": self.render_size, "saturation": self.saturation, "tone": tone}
