"""The error and the warning that reading and writing photographs raise."""


class PhotoError(ValueError):
    """A picture cannot be read or written. The message is one sentence that says why."""


class PhotoWarning(UserWarning):
    """Something in a picture file was not used, for example all pages of a TIFF but the first."""
