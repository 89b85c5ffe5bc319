"""Colour hints and reference pictures: what the user knows is in the result, and goes no further than it should."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from colorgan import Colorizer, Hint, HintError, Photo, PhotoError, Tone, read_hints, read_photo, render
from colorgan.color import ciede2000, rgb_to_lab
from colorgan.inference.correction import correct_chroma
from colorgan.inference.distribution import ColorDistribution
from colorgan.inference.hints import MAX_HINTS, as_hints, hint_map, parse_hint
from colorgan.inference.tone import apply_tone
from colorgan.models import Generator

ASTRONAUT = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((256, 256)))
HINTS = [Hint(0.3, 0.62, "#d8703a"), Hint(0.44, 0.24, "peachpuff"), Hint(0.75, 0.3, "grey"), Hint(0.31, 0.62, "red")]


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.from_pretrained("unet", device="cpu")


@pytest.fixture(scope="module")
def photo() -> Photo:
    return read_photo(ASTRONAUT)


def lab(pixels: np.ndarray) -> torch.Tensor:
    """Lab (3, H, W) of uint8 (H, W, 3)."""
    return rgb_to_lab(torch.from_numpy(pixels[..., :3].copy()).permute(2, 0, 1) / 255)


def difference(pixels: np.ndarray, photo: Photo, hint: Hint) -> float:
    """CIEDE2000 between the pixel of a hint and its colour at the photograph's lightness, as far as sRGB has it."""
    row, column = hint.pixel(*photo.lightness.shape)
    wanted = torch.tensor(hint.ab).view(2, 1, 1) / 110
    asked = render(Photo(photo.lightness[row : row + 1, column : column + 1]), wanted)
    found = pixels[row : row + 1, column : column + 1]
    return ciede2000(lab(found)[None], lab(asked)[None]).item()


@pytest.mark.parametrize("size", [(256, 256), (40, 48)], ids=["large", "as small as the network's input"])
def test_the_pixels_of_hints_have_their_colours(colorizer: Colorizer, size: tuple[int, int]) -> None:
    picture = Image.fromarray(skimage.data.astronaut()).resize(size)
    photo = read_photo(picture)
    pixels = np.asarray(colorizer.colorize(picture, hints=HINTS))
    without = np.asarray(colorizer.colorize(picture))
    for hint in [hint for i, hint in enumerate(HINTS) if size == (256, 256) or i != 0]:  # 0 and 3 share a small pixel
        assert difference(pixels, photo, hint) <= 2
        assert difference(without, photo, hint) > 3
    assert abs(lab(pixels)[0] - torch.from_numpy(photo.lightness)).max() < 1


def test_no_hints_change_nothing(colorizer: Colorizer, photo: Photo) -> None:
    chroma = colorizer.predict(photo)
    assert torch.equal(chroma, colorizer.predict(photo, hints=[]))
    assert not torch.equal(chroma, colorizer.predict(photo, hints=HINTS[:1]))
    assert (render(photo, chroma) == render(photo, chroma, hints=[])).all()


def test_a_network_with_hint_channels_sees_the_hints_where_they_are(photo: Photo) -> None:
    torch.manual_seed(0)
    generator = Generator("photo", width=8, bins=10, hints=True)
    torch.nn.init.normal_(generator.network.hints.weight)
    colorizer = Colorizer(generator, "cpu")
    hints = [Hint(0.30, 0.62, "#d8703a"), Hint(0.7, 0.2, "skyblue", region=((0.5, 0), (1, 0), (1, 1)))]
    without, chroma = (colorizer.network_chroma(photo, hints=each) for each in ([], hints))
    change = (chroma - without).abs().amax(0)
    assert abs(change.argmax() // 16 / 16 - 0.62) < 0.2  # the grid has 16 x 16 cells
    assert abs(change.argmax() % 16 / 16 - 0.30) < 0.2
    assert change[2, 11] < change.max() / 4  # the hint with a region is left to the correction
    mirrored = [Hint(1 - hint.x, hint.y, hint.color) for hint in hints[:1]]
    other = colorizer.network_chroma(Photo(photo.lightness[:, ::-1].copy()), hints=mirrored)
    torch.testing.assert_close(other.flip(-1), chroma)


def test_hints_on_the_grid_cover_their_cell_and_their_radius() -> None:
    seen = hint_map([Hint(0.99, 0.5, "red"), Hint(0.25, 0.5, "blue", radius=0.26), Hint(0.26, 0.5, "grey")], 4, 8)
    blue = {(y, x) for y in range(1, 3) for x in range(1, 3)}
    assert {tuple(cell) for cell in seen[2].nonzero().tolist()} == blue | {(2, 7)}
    assert (seen[:2, 2, 7] * 110).tolist() == pytest.approx(Hint(0, 0, "red").ab)
    assert (seen[:2, 1, 1] * 110).tolist() == pytest.approx(Hint(0, 0, "blue").ab)
    assert seen[:2, 2, 2].abs().max() < 0.01  # the last one counts


def test_a_strong_colour_does_not_tint_the_whole_picture() -> None:
    photo = Photo(np.full((64, 256), 50, np.float32))
    photo.lightness[:, 128:] = 85
    changes = []
    for color in ("hsl(0, 15%, 50%)", "hsl(0, 90%, 50%)"):
        hint = Hint(0.1, 0.5, color)
        chroma = 110 * correct_chroma(torch.zeros(2, 16, 64), photo, [hint])
        changes.append((chroma.norm(dim=0)[8, 6], chroma.norm(dim=0)[8, 60], torch.tensor(hint.ab).norm()))
    (near, far, asked), (strong_near, strong_far, strong_asked) = changes
    assert strong_asked > 5 * asked
    assert 0.1 < far / asked < 0.3  # a weak colour may be that of the light
    assert strong_far < 10  # Lab units
    assert strong_near > 0.6 * strong_asked
    assert near > 0.6 * asked


def test_a_hint_goes_to_places_of_the_same_kind_and_not_to_sure_ones() -> None:
    photo, hint = Photo(np.full((80, 80), 50, np.float32)), Hint(0.5, 0.05, "hsl(0, 20%, 50%)")
    probability = torch.zeros(3, 20, 20)
    probability[:2] = 0.5  # red or green, as where the hint is
    probability[:, :, :5] = torch.tensor([0.0, 0.1, 0.9]).view(3, 1, 1)  # on the left, mostly blue
    probability[:, :, 15:] = torch.tensor([0.99, 0.01, 0.0]).view(3, 1, 1)  # on the right, red without doubt
    ab = torch.tensor([[30.0, 20], [-30, 20], [10, -30]])
    distribution = ColorDistribution(torch.zeros(2, 20, 20), probability, ab)
    change = correct_chroma(torch.zeros(2, 20, 20), photo, [hint], distribution).norm(dim=0)
    assert change[1, 10] > 0.8 * torch.tensor(hint.ab).norm() / 110
    assert change[10, 10] > 0.3 * change[1, 10]
    assert change[10, 2] < 0.4 * change[10, 10]
    assert change[10, 17] < 0.4 * change[10, 10]
    plain = correct_chroma(torch.zeros(2, 20, 20), photo, [hint]).norm(dim=0)
    assert plain[10, 2] > 0.8 * plain[10, 10]  # without the distribution, only distance and lightness count


def test_a_hint_reaches_similar_parts_and_has_no_halo_across_an_edge(colorizer: Colorizer) -> None:
    """On the other side of an edge of lightness, the colour does not depend on the distance to the hint."""
    lightness = np.full((300, 400), 30, np.float32)
    lightness[:, 200:] = 75
    photo = Photo(lightness)
    hint = Hint(193.5 / 400, 0.5, "#b01020")  # 7 pixels from the edge
    chroma = torch.zeros(2, 48, 64)
    pixels = lab(render(photo, colorizer.predict(photo, hints=[hint]) * 0 + chroma, hints=[hint]))
    beyond = pixels[1:, :, 203:]
    assert pixels[1, 150, 193] > 40  # the hint itself, of a = 57
    assert (beyond - beyond[:, 10, -1].view(2, 1, 1)).abs().max() < 2


def test_a_grey_hint_keeps_a_part_uncoloured(photo: Photo) -> None:
    chroma = torch.full((2, 48, 48), 0.3)
    hint = Hint(0.7, 0.1, "#808080", radius=0.1)
    pixels = lab(render(photo, chroma, hints=[hint]))
    row, column = hint.pixel(*photo.lightness.shape)
    assert pixels[1:, row, column].abs().max() < 1.5
    assert pixels[1:, 125, 60].abs().max() > 15


def test_a_region_limits_the_reach_of_a_hint(colorizer: Colorizer, photo: Photo) -> None:
    region = ((0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5))
    hint = Hint(0.75, 0.3, "#2040c0", region=region)
    chroma = colorizer.predict(photo, hints=[hint])
    assert torch.equal(chroma, colorizer.predict(photo))
    before, after = render(photo, chroma), render(photo, chroma, hints=[hint])
    changed = (before != after).any(-1)
    assert not changed[:, :127].any()
    assert not changed[129:].any()
    assert changed[:128, 128:].mean() > 0.7
    assert difference(after, photo, hint) <= 2


def test_hints_near_each_other_do_not_exaggerate(photo: Photo) -> None:
    """Two opposite colours, three pixels apart, do not make the surroundings more colourful than they are."""
    hints = [Hint(0.7, 0.1, "#c04040"), Hint(0.712, 0.1, "#408080")]
    pixels = render(photo, torch.zeros(2, 48, 48), hints=hints)
    assert all(difference(pixels, photo, hint) <= 2 for hint in hints)
    assert lab(pixels)[1:].norm(dim=0).max() < 75  # the red is 59


def test_all_of_five_hundred_hints_are_exact(photo: Photo) -> None:
    random = np.random.default_rng(0)
    hints = [Hint(x, y, f"hsl({int(360 * x)}, 50%, 50%)") for x, y in random.random((MAX_HINTS, 2))]
    pixels = lab(render(photo, torch.zeros(2, 48, 48), hints=hints))
    places = np.array([hint.pixel(*photo.lightness.shape) for hint in hints]).T
    found = pixels[:, places[0], places[1]]
    asked = lab(
        render(Photo(photo.lightness[places[0], places[1]][None]), torch.tensor([h.ab for h in hints]).T[:, None] / 110)
    )
    assert ciede2000(found[None, :, None], asked[None]).max() <= 2


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((1.2, 0.5, "red"), "The x of a hint is a fraction of the photograph, from 0 to 1, not 1.2."),
        ((0.5, float("nan"), "red"), "The y of a hint is a fraction of the photograph, from 0 to 1, not nan."),
        ((0.5, 0.5, "reddish"), "'reddish' is not a colour: write #7a2e2e, rgb(122, 46, 46) or a name such as brown."),
        ((0.5, 0.5, "#ff000080"), "The colour #ff000080 is transparent: write an opaque one, such as #7a2e2e."),
        ((0.5, 0.5, "red", -1), "The radius of a hint is a fraction of the shorter side, from 0 to 1, not -1."),
        (
            (0.5, 0.5, "red", 0.01, ((0, 0), (1, 1))),
            "The region of a hint is a list of at least three corners (x, y), from 0 to 1 each.",
        ),
        (
            (0.5, 0.5, "red", 0.01, ((0, 0), (0.3, 0), (0, 0.3))),
            "The region of a hint must contain its place, 0.5, 0.5.",
        ),
    ],
)
def test_a_wrong_hint_gets_one_sentence(values: tuple, sentence: str) -> None:
    with pytest.raises(HintError) as error:
        Hint(*values)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("hints", "sentence"),
    [
        ([Hint(0.5, 0.5, "red")] * 10_000, "10,000 hints are too many: give at most 500."),
        ([{"x": 0.5, "color": "red"}], "A hint has x, y and color, and may have radius and region, not {'x': 0.5, "),
        ([3], "A hint has x, y and color, and may have radius and region, not 3."),
        ({"x": 0.5}, "Hints are a list, with a place and a colour each, not one dict."),
        ([{"x": "0.5", "y": 0.5, "color": "red"}], "The x of a hint is a fraction of the photograph, from 0 to 1, not"),
    ],
)
def test_wrong_lists_get_one_sentence(colorizer: Colorizer, hints: list, sentence: str) -> None:
    with pytest.raises(HintError) as error:
        colorizer.colorize(ASTRONAUT, hints=hints)
    assert str(error.value).startswith(sentence)


def test_hints_are_read_from_text_and_json(tmp_path: Path) -> None:
    corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
    path, large = tmp_path / "hints.json", {"x": 0.5, "y": 0.5, "color": "skyblue", "radius": 0.05, "region": corners}
    path.write_text(json.dumps([{"x": 0.31, "y": 0.62, "color": "#7a2e2e"}, large]))
    hints = [Hint(0.31, 0.62, "#7a2e2e"), Hint(0.5, 0.5, "skyblue", 0.05, ((0, 0), (1, 0), (1, 1), (0, 1)))]
    assert read_hints(path) == hints == as_hints(json.loads(path.read_text()))
    assert parse_hint("0.31,0.62=#7a2e2e") == hints[0]
    assert Hint(0, 0, "rgb(300, 0, 0)").ab == Hint(0, 0, "red").ab
    for text in ("0.31=#7a2e2e", "a,b=red", "0.1,0.2", ""):
        with pytest.raises(HintError):
            parse_hint(text)
    path.write_text("[{")
    with pytest.raises(HintError, match=r"^hints\.json is not JSON: it should be a list of hints\.$"):
        read_hints(path)


def test_a_reference_gives_its_tone(colorizer: Colorizer, photo: Photo) -> None:
    blue = np.clip(ASTRONAUT * [0.6, 0.8, 1.2], 0, 255).astype(np.uint8)
    goal = lab(blue)[1:].mean((1, 2))
    means = [
        lab(np.asarray(colorizer.colorize(ASTRONAUT, reference=blue, reference_strength=s)))[1:].mean((1, 2))
        for s in (0, 0.5, 1)
    ]
    distances = [(mean - goal).norm().item() for mean in means]
    assert distances[2] < 3 < distances[1] < distances[0]
    assert torch.equal(colorizer.predict(photo, reference=blue, reference_strength=0), colorizer.predict(photo))


def test_one_reference_is_shared_by_many_pictures(colorizer: Colorizer) -> None:
    pictures, tone = [skimage.data.chelsea()[:150, :200], skimage.data.coffee()[:200, :300]], Tone.of(ASTRONAUT)
    for picture, result in zip(pictures, colorizer.colorize_many(pictures, reference=tone), strict=True):
        alone = np.asarray(colorizer.colorize(picture, reference=tone)).astype(int)
        assert abs(np.asarray(result) - alone).max() <= 1
        assert abs(np.asarray(colorizer.colorize(picture)) - alone).max() > 10


def test_a_reference_without_colours_gets_one_sentence(colorizer: Colorizer, photo: Photo) -> None:
    for grey in (skimage.data.camera(), np.full((20, 30, 3), 90, np.uint8)):
        with pytest.raises(PhotoError, match="has no colours: give a picture in colour"):
            colorizer.colorize(ASTRONAUT, reference=grey)
    with pytest.raises(ValueError, match="from 0 \\(none\\) to 1 \\(all of its tone\\), not nan"):
        apply_tone(torch.zeros(2, 8, 8), photo, Tone.of(ASTRONAUT), float("nan"))
