"""The error and the warning that reading and writing photographs raise."""


class PhotoError(ValueError):
    """A picture cannot be read or written. The message is one sentence that says why."""


class TooLargeError(PhotoError):
    """A picture has more pixels than allowed. `fact` is the beginning of the message, without what allows more."""

    def __init__(self, fact: str):
        super().__init__(f"{fact}; the argument max_pixels allows more.")
        self.fact = fact


class PhotoWarning(UserWarning):
    """Something in a picture file was not used, for example all pages of a TIFF but the first."""
