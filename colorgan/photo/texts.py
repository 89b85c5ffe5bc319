"""The texts of PNG files, and comments of other formats."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from PIL import PngImagePlugin

COMMENT = "Comment"  # the keyword of comments
MIN_COMPRESSED = 1024  # letters; shorter texts are stored uncompressed


class Text(NamedTuple):
    """A text of a PNG file: `keyword` is its name, `language` and `translated` are those of an iTXt chunk.

    Comments of JPEG and GIF files are texts with the keyword Comment.
    """

    keyword: str
    text: str
    language: str = ""
    translated: str = ""


def text_chunk(text: Text) -> tuple[bytes, bytes]:
    """The type and data of a PNG chunk with a text: Latin-1 if that is possible, and UTF-8 otherwise."""
    keyword = text.keyword.encode("latin-1", "replace")
    is_long = len(text.text) >= MIN_COMPRESSED
    try:
        if text.language or text.translated:
            raise UnicodeError
        data = text.text.encode("latin-1")
    except UnicodeError:
        data = text.text.encode("utf-8", "surrogatepass")
        head = keyword + bytes([0, is_long, 0]) + text.language.encode() + b"\0" + text.translated.encode() + b"\0"
        return b"iTXt", head + (zlib.compress(data) if is_long else data)
    return (b"zTXt", keyword + b"\0\0" + zlib.compress(data)) if is_long else (b"tEXt", keyword + b"\0" + data)


def png_texts(stream: BinaryIO, notes: list[str]) -> Iterator[Text]:
    """The texts of a PNG file. Pillow keeps only one of several with the same keyword."""
    budget = PngImagePlugin.MAX_TEXT_MEMORY  # bytes of all texts together
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            stream.seek(size + 4, 1)
            continue
        keyword, _, data = stream.read(size).partition(b"\0")
        stream.seek(4, 1)  # the checksum
        name, language, translated = keyword.decode("latin-1"), b"", b""
        try:
            is_compressed = kind == b"zTXt"
            if kind == b"iTXt":
                is_compressed = data[0] == 1
                language, translated, data = data[2:].split(b"\0", 2)
            elif is_compressed:
                data = data[1:]
            if is_compressed:
                data = zlib.decompressobj().decompress(data, budget + 1)
            budget -= len(data)
            if budget < 0:
                raise ValueError("the texts are too long")
            text = data.decode("utf-8" if kind == b"iTXt" else "latin-1")
            yield Text(name, text, language.decode("ascii"), translated.decode())
        except (ValueError, IndexError, zlib.error):
            notes.append(f"Its PNG text {name[:79]} is damaged and was left out.")


def text_of(keyword: str, text: str) -> Text:
    """A text of an image that Pillow read."""
    return Text(keyword, str(text), getattr(text, "lang", None) or "", getattr(text, "tkey", None) or "")


def raw_profile(text: str) -> bytes:
    """The bytes of a profile that is stored in a PNG as hexadecimal digits, behind its name and length."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""
