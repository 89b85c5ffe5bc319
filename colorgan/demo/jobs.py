"""Photographs and albums of the demo: from an upload to a coloured file, for many visitors and in bounded memory."""

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from cachetools import LRUCache, cached

from colorgan.demo.networks import Networks, title
from colorgan.demo.samples import Samples
from colorgan.demo.uploads import MAX_FILES, MAX_PIXELS, user_error
from colorgan.files import write_whole
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.correction import correct_chroma
from colorgan.inference.distribution import ColorDistribution, need_distribution
from colorgan.inference.hints import Hint, HintError
from colorgan.inference.render import render
from colorgan.inference.suggestions import suggest
from colorgan.inference.tone import STRENGTH, Tone, apply_tone
from colorgan.photo import FORMATS, Photo, PhotoError, holds_16_bits, read_photo, write_photo
from colorgan.photo.errors import TooLargeError
from colorgan.photo.provenance import with_provenance

MAX_SATURATION = 2
MAX_RENDER_SIZE, RENDER_SIZE_STEP = 128, 32  # pixels; every network takes multiples of 32, and 0 is its own size
# the suffix of results by the format that the photograph was decoded as; PNG for other formats
SUFFIXES = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp", "TIFF": "tiff"}
BROWSER_SUFFIXES = ("png", "jpg", "webp")  # of SUFFIXES, those that every browser shows
PHOTO_CACHE = 4 * MAX_PIXELS  # bytes of lightness that stay in memory: the largest photograph, or many smaller ones
TONES = 100  # of references, which stay in memory: 168 bytes each
CHROMA_CACHE = 30_000_000  # bytes of predicted chroma that stay in memory
DISTRIBUTION_CACHE = 30_000_000  # bytes of the colours that a network finds plausible, which stay in memory


@dataclass(frozen=True)
class Known:
    """What the visitor knows about the colours: hints, and the path of a reference picture with its strength."""

    hints: tuple[Hint, ...] = ()
    reference: str | None = None
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if self.reference is None:  # then the strength changes nothing, and the result is the same request's
            object.__setattr__(self, "strength", STRENGTH)


NOTHING = Known()


@dataclass
class Album:
    """The state of a job with several photographs: its results so far, and at the end the zip file."""

    count: int  # photographs of the job
    pictures: list[tuple[Path, str]] = field(default_factory=list)  # files that browsers show, with captions
    failures: list[str] = field(default_factory=list)  # one sentence for each photograph that could not be colourized
    notes: list[str] = field(default_factory=list)  # sentences about parts of photographs that were ignored
    archive: Path | None = None

    @property
    def done(self) -> int:
        """Number of photographs that are finished or failed."""
        return len(self.pictures) + len(self.failures)


class Jobs:
    """Colourizes photographs with the networks. Results are files in `folder`; a repeated request finds them there."""

    def __init__(self, colorizers: dict[str, Colorizer], dataset_name: str, folder: Path, film_minutes: float = 5):
        self.folder = folder
        self.film_minutes = film_minutes  # the longest film
        self.networks = Networks(colorizers)
        self.samples = Samples(self.networks, dataset_name)
        photos, chroma = LRUCache(PHOTO_CACHE, _lightness_bytes), LRUCache(CHROMA_CACHE, lambda chroma: chroma.nbytes)
        self._read = cached(photos, lock=threading.Lock())(_read_upload)
        self._tone = cached(LRUCache(TONES), lock=threading.Lock())(_tone_of_upload)
        self._chroma = cached(chroma, lock=threading.Lock())(self._chroma_of)
        distributions = LRUCache(DISTRIBUTION_CACHE, lambda distribution: distribution.nbytes)
        self._distribution = cached(distributions, lock=threading.Lock())(self._distribution_of)

    def colorize(
        self,
        path: str | None,
        model: str | None = None,
        saturation: float = 1.0,
        render_size: int = 0,
        sample: int = 0,
        known: Known = NOTHING,
        *,
        for_browser: bool = False,
    ) -> Path:
        """Colourize a photograph and return the coloured file.

        Its format is that of the photograph, whatever its file name says, if colorgan writes it (and, with
        `for_browser`, browsers show it), and PNG otherwise. `model` is the first one by default. Sample 0 is the
        network's prediction, and any other number is the random seed of another plausible colouring. Raises
        `PhotoError` for a file that cannot be read and `gr.Error` for wrong settings.
        """
        path = _given(path)
        if not 0 <= saturation <= MAX_SATURATION:
            raise user_error(f"The saturation must be between 0 and {MAX_SATURATION}, not {saturation}.")
        _check_render_size(render_size)
        model = model or next(iter(self.networks.colorizers))
        photo = self._read(path)
        kind = _result_suffix(path, photo, for_browser)
        settings = (model, saturation, render_size, sample, known) if saturation else ("grey",)  # one for all models
        folder = self._result_folder(path, *settings)
        result = folder / f"{Path(path).stem}.{'colorized' if saturation else 'grey'}.{kind}"
        if result.is_file():
            os.utime(result)  # files are deleted an hour after they were last used
            return result
        known = known if saturation else NOTHING
        seen = known.hints if self.networks.takes_hints(model) else ()  # other networks need not run again for hints
        chroma = self._chroma(path, model, render_size, sample, seen) if saturation else torch.zeros(2, 16, 16)
        tone = self.tone(known)
        needed = known.hints and need_distribution(known.hints, self.networks.colorizers[model].generator)
        distribution = self._distribution(path, model, render_size, ()) if needed else None
        chroma = correct_chroma(apply_tone(chroma, photo, tone, known.strength), photo, known.hints, distribution)
        bits = photo.bits if holds_16_bits(kind) else 8
        pixels = render(photo, chroma, saturation=saturation, bits=bits, hints=known.hints)
        folder.mkdir(parents=True, exist_ok=True)
        left_out = write_photo(result, pixels, with_provenance(photo, model, len(known.hints)) if saturation else photo)
        _left_out(result).write_text("\n".join(left_out), encoding="utf-8")
        return result

    def tone(self, known: Known) -> Tone | None:
        """Return the tone of the reference, if there is one. Raises `PhotoError` if it cannot be used."""
        return self._tone(known.reference) if known.reference else None

    def grey(self, path: str | None) -> Path:
        """Return the photograph without colours as a file that browsers show."""
        return self.colorize(path, saturation=0, for_browser=True)

    def suggest(
        self,
        path: str | None,
        x: float,
        y: float,
        model: str | None = None,
        render_size: int = 0,
        hints: tuple[Hint, ...] = (),
    ) -> list[str]:
        """Return colours that a network (by default the first one) finds plausible at a place of a photograph.

        `hints` are known colours at other places, which count if the network takes hints. Raises `PhotoError` for a
        file that cannot be read and `gr.Error` for a place outside it.
        """
        path = _given(path)
        _check_render_size(render_size)
        model = model or next(iter(self.networks.colorizers))
        seen = hints if self.networks.takes_hints(model) else ()
        distribution = self._distribution(path, model, render_size, seen)
        try:
            return suggest(distribution, self._read(path), x, y)
        except HintError as error:
            raise user_error(str(error)) from error

    def notes(self, path: str | None, result: Path | None = None) -> list[str]:
        """Return sentences about the parts of the photograph that were ignored, such as further pages.

        With its `result`, which `colorize` returned, also sentences about captions that its format cannot hold.
        """
        path = _given(path)
        has_file = result is not None and _left_out(result).is_file()
        notes = _left_out(result).read_text(encoding="utf-8").splitlines() if has_file else []
        return [f"{Path(path).name}: {note}" for note in [*self._read(path).notes, *notes]]

    def compare(
        self,
        path: str | None,
        saturation: float = 1.0,
        render_size: int = 0,
        sample: int = 0,
        known: Known = NOTHING,
    ) -> list[tuple[Path, str]]:
        """Return the photograph in grey and in the colours of every model, as files that browsers show, with titles."""
        settings = saturation, render_size, sample, known
        return [
            (self.grey(path), "grey"),
            *(
                (self.colorize(path, name, *settings, for_browser=True), title(name))
                for name in self.networks.colorizers
            ),
        ]

    def colorize_all(
        self,
        paths: list[str],
        model: str,
        saturation: float = 1.0,
        render_size: int = 0,
        known: Known = NOTHING,
    ) -> Iterator[Album]:
        """Colourize photographs one after another.

        Yields the album at the beginning, after each photograph, and at the end with its zip file. Raises `gr.Error`
        for no photographs and for more than `MAX_FILES`.
        """
        if not paths:
            raise user_error("There are no photographs: upload some first.")
        if len(paths) > MAX_FILES:
            raise user_error(f"{len(paths)} photographs are too many at once: upload at most {MAX_FILES}.")
        album, results = Album(len(paths)), []
        yield album
        for path in paths:
            try:
                result = self.colorize(path, model, saturation, render_size, known=known)
                results.append(result)
                picture = self.colorize(path, model, saturation, render_size, known=known, for_browser=True)
                album.pictures.append((picture, result.name))
                album.notes += self.notes(path, result)
            except PhotoError as error:
                album.failures.append(str(error))
            yield album
        if results:
            album.archive = self._zip(results)
        yield album

    def _chroma_of(self, path: str, model: str, render_size: int, sample: int, hints: tuple[Hint, ...]) -> torch.Tensor:
        return self.networks.chroma_of(self._read(path), model, render_size, sample, hints)

    def _distribution_of(self, path: str, model: str, render_size: int, hints: tuple[Hint, ...]) -> ColorDistribution:
        if self.networks.colorizers[model].generator.is_for_photographs:
            return self.networks.distribution_of(self._read(path), model, render_size, hints)
        return ColorDistribution(self._chroma(path, model, render_size, 0, ()))  # its prediction is all that it says

    def _result_folder(self, *request: object) -> Path:
        return self.folder / "results" / hashlib.sha256(repr(request).encode()).hexdigest()[:32]

    def _zip(self, files: list[Path]) -> Path:
        """Return a zip file of the results. Files of the same name get numbers: `photo (2).colorized.jpg`."""
        archive = self._result_folder(files) / "colorized.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        names: set[str] = set()
        # write_whole because another visitor may make the same file; not compressed, because pictures already are
        with write_whole(archive) as stream, zipfile.ZipFile(stream, "w") as content:
            for file in files:
                stem, _, ending = file.name.rpartition(".colorized")
                name, number = file.name, 1
                while name in names:
                    number += 1
                    name = f"{stem} ({number}).colorized{ending}"
                names.add(name)
                content.write(file, name)
        return archive


def _given(path: str | None) -> str:
    if path is None:
        raise user_error("There is no photograph: upload one first.")
    return path


def _check_render_size(render_size: int) -> None:
    if not 0 <= render_size <= MAX_RENDER_SIZE or render_size % RENDER_SIZE_STEP:
        raise user_error(
            f"The render size must be a multiple of {RENDER_SIZE_STEP} up to {MAX_RENDER_SIZE}, "
            f"or 0 for the network's own, not {render_size}."
        )


def _result_suffix(path: str, photo: Photo, for_browser: bool) -> str:
    """The suffix of a photograph's result, without the dot: that of the upload, unless it names another format."""
    suffix = SUFFIXES.get(photo.format, "png")
    if for_browser and suffix not in BROWSER_SUFFIXES:
        suffix = "png"
    uploaded = Path(path).suffix[1:]
    return uploaded if FORMATS.get(uploaded.lower()) == FORMATS[suffix] else suffix


def _left_out(result: Path) -> Path:
    """The file beside a result with sentences about captions that its format cannot hold."""
    return result.with_name(f"{result.name}.txt")


def _read_upload(path: str) -> Photo:
    if not Path(path).exists():
        raise PhotoError(f"{Path(path).name} was deleted because it was not used for an hour: please upload it again.")
    try:
        return read_photo(path, max_pixels=MAX_PIXELS)
    except TooLargeError as error:  # a visitor cannot allow more
        raise PhotoError(f"{error.fact}.") from error


def _tone_of_upload(path: str) -> Tone:
    if not Path(path).exists():
        raise PhotoError(f"{Path(path).name} was deleted because it was not used for an hour: please upload it again.")
    return Tone.of(path, max_pixels=MAX_PIXELS, name=Path(path).name)


def _lightness_bytes(photo: Photo) -> int:
    return photo.lightness.nbytes
