"""Colorizer: any picture comes back at its own size, with its own lightness and alpha, in 8 or 16 bits."""

import itertools
import subprocess
import sys
from pathlib import Path
from types import GeneratorType

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from conftest import painting_network
from PIL import Image

import colorgan.photo
from colorgan import Colorizer, Generator, PhotoError, PhotoWarning
from colorgan.color import lab_to_rgb, rgb_to_lab, to_uint8
from colorgan.inference.inputs import shrunk_input
from colorgan.inference.predictor import PRECISION
from colorgan.inference.render import RENDER_TOLERANCE, render
from colorgan.inference.upsample import upsample_chroma
from colorgan.photo import Photo, read_photo
from colorgan.unets import PhotoUNet

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    """An untrained network that paints strong colours."""
    return Colorizer(painting_network(), device="cpu")


def lab_of(pixels: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(torch.from_numpy(pixels[..., :3] / np.iinfo(pixels.dtype).max).permute(2, 0, 1)[None])


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_lightness_is_the_inputs_within_8_bit_rounding(colorizer: Colorizer, name: str) -> None:
    pixels = getattr(skimage.data, name)()
    lab = lab_of(np.array(colorizer.colorize(pixels)))
    error = (lab[0, 0] - lab_of(pixels)[0, 0]).abs()
    assert lab[0, 1:].abs().mean() > 3  # there are colours
    # half a step in each channel is at most 116 / 3 * dY * Y^(-2/3), or 903.3 * dY near black: 0.14 at Y = 0
    assert error.max() < 0.5
    assert error.mean() < 0.1
    grey = np.array(colorizer.colorize(pixels, saturation=0))
    assert (grey == grey[..., :1]).all()


def test_a_mirrored_picture_has_mirrored_colours(colorizer: Colorizer) -> None:
    torch.manual_seed(0)
    lightness = torch.rand(1, 1, 40, 56) * 2 - 1
    chroma, mirrored = colorizer.run_network(lightness), colorizer.run_network(lightness.flip(-1))
    assert chroma.abs().mean() > 0.01
    assert torch.allclose(mirrored.flip(-1), chroma, atol=1e-5)


def test_a_network_of_stride_4_colours_pictures_of_any_size() -> None:
    torch.manual_seed(0)
    generator = Generator("photo", width=8, bins=2, temperature=1.0)
    assert isinstance(generator.network, PhotoUNet)
    generator.network.centres.copy_(torch.tensor([[30.0, 20.0], [40.0, 20.0]]))  # it can only predict orange
    colorizer = Colorizer(generator, device="cpu")
    photo = read_photo(skimage.data.chelsea())
    height, width = photo.lightness.shape
    assert colorizer.predict(photo).shape == (2, 64 // 4, 96 // 4)
    small = torch.full((1, 3, 30, 46), 128, dtype=torch.uint8)
    assert colorizer.run_network(torch.zeros(1, 1, 30, 46)).shape == (1, 2, 8, 12)
    lab = rgb_to_lab(colorizer.colorize_batch(small).float() / 255)
    assert lab.shape == small.shape
    assert lab[:, 1].min() > 29
    assert lab[:, 1].max() < 41
    assert (lab[:, 2] - 20).abs().max() < 1
    assert colorizer.colorize(skimage.data.chelsea()).size == (width, height)
    for size in ((1, 1), (3, 2), (5, 40), (3, 500), (32, 32), (33, 17)):
        grey = np.full((*size, 3), 128, np.uint8)
        assert (lab_of(np.array(colorizer.colorize(grey)))[:, 1] > 25).all()


class Position(PhotoUNet):
    """A network that answers with the mean lightness of each cell in a, and with its negative in b."""

    def forward(self, lightness: torch.Tensor, hints: None = None) -> tuple[torch.Tensor, torch.Tensor]:
        mean = F.avg_pool2d(lightness, self.stride)
        return torch.cat([mean, -mean], 1) / 4, mean


@pytest.mark.parametrize("size", [(300, 400), (451, 300), (97, 61), (61, 301), (40, 900)])
@pytest.mark.parametrize("axis", [0, 1])
def test_colours_of_a_network_of_stride_4_are_where_they_belong(size: tuple[int, int], axis: int) -> None:
    colorizer = Colorizer(Generator("photo", width=8, bins=2), device="cpu")
    colorizer.generator.network = Position(8, 2)
    place = (np.arange(size[axis], dtype=np.float32) + 0.5) / size[axis]
    photo = Photo(np.ascontiguousarray(np.broadcast_to(100 * (place if axis else place[:, None]), size)))
    for render_size in (32, 64, 128):
        a, b = upsample_chroma(colorizer.predict(photo, render_size=render_size), torch.from_numpy(photo.lightness))
        assert torch.allclose(a, -b, atol=1e-5)
        profile, length = a.mean(1 - axis), size[axis]
        inner = slice(length // 8, -(length // 8))  # interpolation is flat at the border
        expected = (torch.from_numpy(2 * place - 1) / 4)[inner]
        assert (profile[inner] - expected).abs().max() < 0.008  # of 0.5 from one side to the other
        assert (profile[inner] - expected).mean().abs() < 1e-4  # a shift by half a cell is 0.008 or more


def test_the_steps_apart(colorizer: Colorizer) -> None:
    photo = read_photo(skimage.data.chelsea())
    chroma = colorizer.predict(photo, render_size=np.int64(32))  # pyright: ignore[reportArgumentType]  # not an int
    assert chroma.shape == colorizer.predict(photo, render_size=32).shape
    chroma.mul_(1.2)  # it may be written to
    with pytest.raises(ValueError, match="8 or 16 bits, not 12"):
        render(photo, chroma, bits=12)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="The saturation must be 0"):
            render(photo, chroma, saturation=wrong)


def test_samples_differ_in_their_colours_alone() -> None:
    colorizer, pixels = Colorizer.from_pretrained("cgan"), skimage.data.coffee()  # the colour of a cup is a guess
    samples = colorizer.colorize(pixels, num_samples=3, seed=1)
    labs = [lab_of(np.array(sample))[0] for sample in samples]
    assert len(labs) == 3
    for a, b in itertools.combinations([*labs, lab_of(np.array(colorizer.colorize(pixels)))[0]], 2):
        assert 1 < (a - b)[1:].abs().mean() < 15
        assert (a - b)[0].abs().mean() < 0.1
    again = colorizer.colorize(pixels, num_samples=1, seed=1)
    assert np.array_equal(np.array(again[0]), np.array(samples[0]))
    other = colorizer.colorize(pixels, num_samples=1, seed=2)
    assert not np.array_equal(np.array(other[0]), np.array(samples[0]))
    assert colorizer.colorize(pixels, num_samples=0) == []


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_lightness_is_the_inputs_within_16_bit_rounding(colorizer: Colorizer, name: str) -> None:
    pixels = getattr(skimage.data, name)()[:300].astype(np.uint16) * 250 + 31
    photo = read_photo(pixels)
    result = render(photo, colorizer.predict(photo), bits=16, saturation=2)
    assert result.dtype == np.uint16
    assert np.abs(lab_of(result)[0, 0].numpy() - photo.lightness).max() < 2e-3  # 8-bit rounding leaves 0.3


def test_strips_agree_with_lab_to_rgb(colorizer: Colorizer) -> None:
    photo = read_photo(skimage.data.coffee())
    chroma = torch.randn(2, 32, 48, generator=torch.Generator().manual_seed(0)) * 0.2  # much of it outside sRGB
    lightness = torch.from_numpy(photo.lightness)
    ab = upsample_chroma(chroma * 110, lightness)
    reference = to_uint8(lab_to_rgb(torch.cat([lightness[None], ab]), RENDER_TOLERANCE)).permute(1, 2, 0).numpy()
    difference = np.abs(render(photo, chroma).astype(int) - reference)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (33, 47), (16, 16), (31, 200)])
def test_odd_sizes_come_back_as_they_are(colorizer: Colorizer, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    result = np.array(colorizer.colorize(pixels))
    assert result.shape == pixels.shape
    assert (lab_of(result)[0, 0] - lab_of(pixels)[0, 0]).abs().max() < 0.5


def test_twelve_megapixels(colorizer: Colorizer) -> None:
    pixels = np.tile(skimage.data.astronaut(), (6, 8, 1))[:3000, :4000]
    result = colorizer.colorize(Image.fromarray(pixels))
    assert result.size == (4000, 3000)
    strip = np.array(result.crop((1900, 1400, 2900, 1500)))
    assert (lab_of(strip)[0, 0] - lab_of(pixels[1400:1500, 1900:2900])[0, 0]).abs().max() < 0.5


MEASURE = """
import sys, numpy, torch
from colorgan.photo import Photo
from colorgan.inference.render import RENDER_TOLERANCE, render

def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

photo = Photo(numpy.tile(numpy.linspace(0, 100, 4000, dtype=numpy.float32), (3000, 1)))
chroma = torch.full((2, 3 * int(sys.argv[1]), 4 * int(sys.argv[1])), 0.1)
before = peak()
pixels = render(photo, chroma)
print(peak() - before - pixels.nbytes / 2**20)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("scale", [11, 250])  # of chroma with 3 x 4 pixels
def test_rendering_needs_less_than_300_mb_beyond_input_and_output(scale: int) -> None:
    run = subprocess.run([sys.executable, "-c", MEASURE, str(scale)], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 300


def test_alpha_comes_back_bit_for_bit(colorizer: Colorizer) -> None:
    pixels = np.dstack([skimage.data.chelsea(), np.arange(300 * 451).reshape(300, 451) % 256]).astype(np.uint8)
    result = colorizer.colorize(Image.fromarray(pixels))
    assert result.mode == "RGBA"
    assert (np.array(result)[..., 3] == pixels[..., 3]).all()


def test_saturation_scales_the_chroma(colorizer: Colorizer) -> None:
    photo = Photo(np.full((64, 64), 50, np.float32))
    chroma = torch.full((2, 32, 32), 0.05)
    ab = {s: lab_of(render(photo, chroma, saturation=s, bits=16))[0, 1:].mean() for s in (0, 0.5, 1, 2)}
    assert ab[0] == pytest.approx(0, abs=0.02)
    assert ab[0.5] == pytest.approx(2.75, abs=0.02)
    assert ab[2] == pytest.approx(11, abs=0.02)


def test_the_overview_is_fused_as_strong_as_the_larger_prediction(colorizer: Colorizer) -> None:
    photo = read_photo(skimage.data.coffee())
    small, large = (colorizer.run_network(shrunk_input(photo, size)[None])[0] for size in (16, 32))
    assert (small.shape, large.shape) == ((2, 16, 24), (2, 32, 48))
    mean = (F.interpolate(small[None], (32, 48), mode="bicubic")[0] + large) / 2
    mean *= large.norm(dim=0).mean() / mean.norm(dim=0).mean()
    assert torch.allclose(colorizer.predict(photo, render_size=32), mean, atol=1e-5)
    assert colorizer.generator.render_size == 48
    assert torch.allclose(colorizer.predict(photo), colorizer.predict(photo, render_size=48), atol=1e-5)
    assert torch.allclose(colorizer.predict(photo, render_size=16), small, atol=1e-5)
    fused = render(photo, mean)
    assert (np.array(colorizer.colorize(skimage.data.coffee(), render_size=32)) == fused).mean() > 0.99
    with pytest.raises(TypeError, match="list"):
        colorizer.predict(photo, render_size=[32])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("model", ["unet", "cgan"])
def test_small_pictures_have_the_pixels_that_the_evaluation_measures(
    model: str, photo_dataset: Path, tmp_path: Path
) -> None:
    colorizer = Colorizer.from_pretrained(model, device="cpu")
    for path in photo_dataset.rglob("*.png"):  # without the colour profiles that scikit-image's photographs have
        Image.fromarray(np.array(Image.open(path))).save(tmp_path / f"{path.parent.name}-{path.name}")
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 24
    together = list(colorizer.colorize_many(paths))
    for path, many in zip(paths, together, strict=True):
        rgb = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None]
        measured = colorizer.colorize_batch(rgb)[0].permute(1, 2, 0).numpy()
        assert np.array_equal(np.array(colorizer.colorize(path)), measured)
        photo = read_photo(Image.open(path))
        assert np.array_equal(render(photo, colorizer.predict(photo)), measured)
        assert np.abs(np.array(many).astype(int) - measured).max() <= 1  # another batch size rounds differently


def test_call_and_to(colorizer: Colorizer) -> None:
    assert colorizer.to("cpu") is colorizer
    picture = skimage.data.chelsea()[:100, :100]
    assert np.array_equal(np.array(colorizer(picture)), np.array(colorizer.colorize(picture)))


def test_what_was_not_read_is_a_warning(colorizer: Colorizer, tmp_path: Path) -> None:
    frames = [Image.fromarray(skimage.data.chelsea()[:50, top : top + 50]) for top in (0, 50)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    for colorize in (colorizer.colorize, lambda path: list(colorizer.colorize_many([path]))):
        with pytest.warns(PhotoWarning, match=r"^two.gif: Only the first of its 2 frames was taken\.$") as caught:
            colorize(tmp_path / "two.gif")
        assert len(caught) == 1
        assert caught[0].filename == __file__


HOST = """
import sys, numpy, torch
from colorgan import Colorizer, read_photo, render, write_photo

def colorize():
    colorizer = Colorizer.from_pretrained("unet", device="cpu")
    rgb = (numpy.add.outer(numpy.arange(200), numpy.arange(300)) % 251).astype(numpy.uint8)
    pixels = numpy.dstack([rgb, rgb.T[:200, :200].repeat(2, 1)[:, :300], 255 - rgb])
    results = [numpy.array(each) for each in (colorizer(pixels), *colorizer(pixels, num_samples=2))]
    results += [numpy.array(each) for each in colorizer.colorize_many([pixels, pixels[:32, :32]])]
    photo = read_photo(pixels.astype(numpy.uint16) * 257)
    results.append(render(photo, colorizer.predict(photo), bits=16))
    results.append(colorizer.colorize_batch(torch.from_numpy(pixels[:32, :32]).permute(2, 0, 1)[None]).numpy())
    return results

before = colorize()
torch.set_default_dtype(torch.float64)
torch.set_default_device("meta")  # tensors there have no values, so using one by mistake is an error
for a, b in zip(before, colorize(), strict=True):
    assert a.dtype == b.dtype and (a == b).all()
"""


def test_the_hosts_default_dtype_and_device_change_nothing() -> None:
    run = subprocess.run([sys.executable, "-c", HOST], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("model", ["unet", "cgan", "nogan"])
def test_half_precision_changes_pictures_by_less_than_one_step_on_average(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = [skimage.data.astronaut(), skimage.data.chelsea()[:300, :300], skimage.data.coffee()[:400, :400]]
    images = torch.stack([torch.from_numpy(crop).permute(2, 0, 1)[:, :256:8, :256:8] for crop in crops])
    exact = Colorizer.from_pretrained(model, device="cpu")
    monkeypatch.setitem(PRECISION, "cpu", PRECISION["cuda"])
    half = Colorizer.from_pretrained(model, device="cpu")
    assert exact.precision == torch.float32 != half.precision
    assert half.run_network(torch.zeros(1, 1, 16, 16)).dtype == torch.float32
    difference = half.colorize_batch(images).float() - exact.colorize_batch(images).float()
    assert 0 < difference.abs().mean() < 0.1


def test_many_pictures_are_those_of_one_after_another(colorizer: Colorizer) -> None:
    pictures = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.chelsea()[:200], skimage.data.rocket()] * 2
    together = list(colorizer.colorize_many(pictures, batch_size=3))
    for picture, result in zip(pictures, together, strict=True):
        alone = np.array(colorizer.colorize(picture)).astype(int)
        assert np.abs(np.array(result) - alone).max() <= 1  # another batch size rounds differently


def test_many_is_lazy_bounded_and_says_what_is_wrong(colorizer: Colorizer) -> None:
    taken = []

    def endless():
        for i in itertools.count():
            taken.append(i)
            yield skimage.data.chelsea()

    results = colorizer.colorize_many(endless(), batch_size=2)
    for _ in range(5):
        next(results)
    assert isinstance(results, GeneratorType)
    results.close()
    assert len(taken) < 5 + 2 * 2 + 2 * torch.get_num_threads() + 2
    with pytest.raises(PhotoError, match=r"There is no file missing\.png"):
        list(colorizer.colorize_many([skimage.data.chelsea(), "missing.png"]))


def test_threads_are_as_before(colorizer: Colorizer) -> None:
    before = torch.get_num_threads()
    colorizer.colorize(skimage.data.astronaut())
    list(colorizer.colorize_many([skimage.data.chelsea()]))
    assert torch.get_num_threads() == before


def test_every_public_name_is_documented() -> None:
    documented = (Path(__file__).parent.parent / "docs" / "python.md").read_text()
    names = {
        *colorgan.__all__,
        *colorgan.photo.__all__,
        *vars(Colorizer),
        *vars(Colorizer(Generator(width=8), "cpu")),
        *vars(Photo),
    }
    missing = [name for name in names if not name.startswith("_") and name not in documented]
    assert not missing
    assert set(colorgan.__all__) <= set(dir(colorgan))
    for name in colorgan.__all__:
        assert getattr(colorgan, name) is not None
