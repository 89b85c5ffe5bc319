"""Captions of a picture file that are not EXIF: XMP, IPTC, comments and PNG texts."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Text(NamedTuple):
    """A text of a PNG file: `keyword` is its name, `language` and `translated` are those of an iTXt chunk.

    Comments of JPEG and GIF files are texts with the keyword Comment.
    """

    keyword: str
    text: str
    language: str = ""
    translated: str = ""


@dataclass
class Metadata:
    """Captions of a picture that are not EXIF, without fields that are not true of the coloured result.

    `xmp` is an XML document in UTF-8, or empty. `resources` are Photoshop image resources by number, such as 0x0404,
    which is IPTC. `texts` are the comments and PNG texts.
    """

    xmp: bytes = b""
    resources: dict[int, bytes] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
