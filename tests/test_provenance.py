"""A coloured photograph says in its metadata how it got its colours."""

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import skimage.data
from PIL import Image

from colorgan import DEFAULT_MODEL, __version__, cli, read_photo, write_photo
from colorgan.photo import Photo
from colorgan.photo.provenance import SOURCE_TYPE, with_provenance

PIXELS = skimage.data.chelsea()[:48, :64]
OWN = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" xmp:CreatorTool="Scan 2.1"
 xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><e:DigitalSourceType>http://x/print</e:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def attributes(path: Path | io.BytesIO) -> dict[str, str]:
    """The properties in the XMP of a file, by their names without the namespace."""
    rdf = ElementTree.fromstring(read_photo(path).metadata.xmp)[0]
    found = [
        *((name, value) for d in rdf for name, value in d.attrib.items()),
        *((c.tag, c.text) for d in rdf for c in d),
    ]
    assert len({name for name, _ in found if "about" not in name}) == len(
        [0 for name, _ in found if "about" not in name]
    )
    return {name.partition("}")[2]: value for name, value in found}


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_every_format_says_how_the_colours_came(kind: str) -> None:
    file = io.BytesIO()
    assert write_photo(file, PIXELS, with_provenance(read_photo(PIXELS), "unet", 2), file_format=kind) == []
    file.seek(0)
    found = attributes(file)
    tool = f"colorgan {__version__} (unet, 2 hints)"
    assert (found["DigitalSourceType"], found["CreatorTool"]) == (SOURCE_TYPE, tool)
    image = Image.open(file)
    software = getattr(image, "text", {}).get("Software") or image.getexif().get(0x0131)
    assert software == tool
    assert b"Iptc4xmpExt:DigitalSourceType" in file.getvalue()


def test_the_photograph_keeps_its_own_captions() -> None:
    file, result = io.BytesIO(), io.BytesIO()
    exif = Image.Exif()
    exif[0x0131] = "Scanner"
    Image.fromarray(PIXELS).save(file, "JPEG", xmp=OWN, exif=exif)
    photo = read_photo(file)
    for _ in range(2):  # the second time replaces colorgan's own
        photo = with_provenance(photo, "unet")
    assert write_photo(result, PIXELS, photo, file_format="jpg") == []
    found = attributes(result)
    assert found["Rating"] == "4"
    assert found["CreatorTool"] == f"Scan 2.1; colorgan {__version__} (unet)"
    assert found["DigitalSourceType"] == SOURCE_TYPE
    assert Image.open(result).getexif()[0x0131] == "Scanner"


def test_of_a_folder_only_the_name_is_written(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    photo = with_provenance(Photo(np.zeros((4, 4), np.float32)), str(tmp_path / "mine"), 1)
    assert b'CreatorTool="colorgan' in photo.metadata.xmp
    assert b"(mine, 1 hint)" in photo.metadata.xmp
    assert str(tmp_path).encode() not in photo.metadata.xmp


def test_the_command_writes_it_unless_told_not_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS[..., 0]).save("a.jpg", xmp=OWN, comment="a cat")
    assert cli.main(["a.jpg", "--hint", "0.5,0.5=brown", "-o", "b.png"]) == 0
    assert attributes(Path("b.png"))["CreatorTool"] == f"Scan 2.1; colorgan {__version__} ({DEFAULT_MODEL}, 1 hint)"
    assert cli.main(["a.jpg", "--no-metadata", "-o", "c.png"]) == 0
    kept = attributes(Path("c.png"))
    assert (kept["Rating"], kept["CreatorTool"], kept["DigitalSourceType"]) == ("4", "Scan 2.1", "http://x/print")
    assert [text.text for text in read_photo("c.png").metadata.texts] == ["a cat"]
    assert b"colorgan" not in Path("c.png").read_bytes()
