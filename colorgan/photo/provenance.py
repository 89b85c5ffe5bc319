"""Say in the metadata of a coloured photograph that its colours were computed, where machines look for it."""

from dataclasses import replace
from pathlib import Path

from colorgan import __version__
from colorgan.photo.exif import parse_exif
from colorgan.photo.read import Photo
from colorgan.photo.texts import Text
from colorgan.photo.xmp import IPTC_EXTENSION, XMP, property_of, set_properties

# IPTC's term for "minor augmentation of a picture by algorithms" (IPTC NewsCodes, Digital Source Type)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
SOFTWARE_TAG, SOFTWARE = 0x0131, "Software"  # of EXIF; keyword of a PNG text


def tool_name(model: str | None, hints: int = 0) -> str:
    """The version of colorgan, the model and the number of hints. Of a model's folder, only its name is written."""
    known = [f"{hints} hint{'s' * (hints != 1)}"] if hints else []
    if model is not None:
        known = [Path(model).resolve().name if Path(model).exists() else model, *known]
    return f"colorgan {__version__} ({', '.join(known)})" if known else f"colorgan {__version__}"


def with_provenance(photo: Photo, model: str, hints: int = 0) -> Photo:
    """The photograph with metadata that say: coloured by this version of colorgan, the model and this many hints.

    XMP gets the properties `Iptc4xmpExt:DigitalSourceType` and `xmp:CreatorTool`; `Software` of EXIF or PNG is set if
    the photograph has none. A tool that the photograph names already stays, before colorgan.
    """
    tool = tool_name(model, hints)
    xmp, texts = photo.metadata.xmp, photo.metadata.texts
    before = [part for part in (property_of(xmp, XMP + "CreatorTool") or "").split("; ") if part]
    tools = "; ".join([*(part for part in before if not part.startswith("colorgan ")), tool])
    xmp = set_properties(xmp, {IPTC_EXTENSION + "DigitalSourceType": SOURCE_TYPE, XMP + "CreatorTool": tools})
    if SOFTWARE_TAG not in parse_exif(photo.exif) and all(text.keyword != SOFTWARE for text in texts):
        texts = [*texts, Text(SOFTWARE, tool)]
    return replace(photo, metadata=replace(photo.metadata, xmp=xmp, texts=texts))
