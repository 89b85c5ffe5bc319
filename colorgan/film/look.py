"""How a film is coloured."""

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass

from colorgan.inference.hints import MAX_HINTS, Hint, HintError
from colorgan.inference.tone import STRENGTH, Tone, check_strength


@dataclass(frozen=True)
class FilmHint:
    """A colour at a place of the frame that a film shows at `time`, in seconds; it holds for the frame's whole scene.

    `x`, `y` and `color` are those of a `Hint`, of the upright frame. Raises `HintError` for values that are not of this
    kind.
    """

    time: float
    x: float
    y: float
    color: str

    def __post_init__(self) -> None:
        if not isinstance(self.time, int | float) or not 0 <= self.time < math.inf:
            raise HintError(f"The time of a hint is 0 or a positive number of seconds, not {self.time!r}.")
        Hint(self.x, self.y, self.color)  # raises HintError


@dataclass(frozen=True)
class Look:
    """How a film is coloured: the size at which the network sees it, saturation, the tone of a reference, and hints.

    Raises ValueError for a saturation or strength that is impossible.
    """

    render_size: int | None = None
    saturation: float = 1.0
    tone: Tone | None = None
    strength: float = STRENGTH
    hints: tuple[FilmHint, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.saturation < math.inf:
            raise ValueError(f"The saturation must be 0 (grey) or a positive number, not {self.saturation}.")
        check_strength(self.strength)

    def record(self) -> dict[str, object]:
        """What decides about the colours, as JSON."""
        tone = None if self.tone is None else [self.strength, self.tone.curve.tolist()]
        hints = [astuple(hint) for hint in self.hints]
        return {"render_size": self.render_size, "saturation": self.saturation, "tone": tone, "hints": hints}


def as_film_hints(hints: Iterable[FilmHint]) -> tuple[FilmHint, ...]:
    """The hints of a film. Raises `HintError` for anything that is no `FilmHint`, and for more than `MAX_HINTS`."""
    if not isinstance(hints, Iterable) or isinstance(hints, str | bytes):
        raise HintError(f"The hints of a film are a list of FilmHint objects, not one {type(hints).__name__}.")
    hints = tuple(hints)
    if len(hints) > MAX_HINTS:
        raise HintError(f"{len(hints):,} hints are too many: give at most {MAX_HINTS}.")
    for hint in hints:
        if not isinstance(hint, FilmHint):
            raise HintError(f"A hint of a film is a FilmHint, which has a time, not {hint!r:.100}.")
    return hints
