"""Recognize raw files of cameras, which hold the sensor's values and, beside them, only a small finished picture."""

import tifffile

RAW = "{} is a camera's raw file: develop it first, and save it as TIFF, PNG or JPEG."  # the message
SIGNATURES = {  # the first bytes of raw files that are not TIFFs, and where they begin
    b"IIRO": 0,  # Olympus and OM System
    b"IIRS": 0,
    b"MMOR": 0,
    b"IIU\0": 0,  # Panasonic and Leica
    b"FUJIFILMCCD-RAW": 0,
    b"FOVb": 0,  # Sigma
    b"\0MRM": 0,  # Minolta
    b"HEAPCCDR": 6,  # Canon CRW
    b"ftypcrx ": 4,  # Canon CR3
    b"CR\2": 8,  # Canon CR2, which is a TIFF that begins with a finished picture
}
CFA, LINEAR_RAW = 32803, 34892  # values of the tag PhotometricInterpretation: the sensor's values
# values of the tag Compression: Sony, Nikon, Samsung, Kodak, Pentax
RAW_COMPRESSIONS = (32767, 34713, 32770, 32772, 65000, 65535)
DNG_VERSION, REDUCED = 50706, 1  # a tag, and a bit of the tag NewSubfileType


def is_raw(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a camera's raw file of a format that is not TIFF."""
    return any(head.startswith(signature, start) for signature, start in SIGNATURES.items())


def is_raw_page(page: tifffile.TiffPage) -> bool:
    """Return whether a page of a TIFF, which may have further pages inside, belongs to a camera's raw file."""
    if int(page.photometric) in (CFA, LINEAR_RAW) or int(page.compression) in RAW_COMPRESSIONS:
        return True
    return DNG_VERSION in page.tags and bool(page.subfiletype & REDUCED)
