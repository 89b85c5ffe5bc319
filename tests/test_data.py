"""Data sets are read, cleaned of grey images, split, and cut into batches; COLORGAN_CIFAR10 names real CIFAR-10."""

import errno
import hashlib
import io
import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
import torch
from huggingface_hub import constants
from PIL import Image
from skimage import color, data

import colorgan.splits
from colorgan.data import Batches, DatasetError, ImageSet, is_grey, load_images, mean_hue, split_indices

CARD = """---
dataset_info:
  config_name: plain_text
  features:
  - {name: img, dtype: image}
  - {name: label, dtype: {class_label: {names: {'0': cup, '1': spoon}}}}
configs:
- config_name: plain_text
  data_files:
  - {split: train, path: plain_text/train-*}
---
"""
CHECKSUMS = {  # of exact CIFAR-10
    "train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
}
CIFAR10 = os.environ.get("COLORGAN_CIFAR10")
needs_cifar10 = pytest.mark.skipif(not CIFAR10, reason="COLORGAN_CIFAR10 names no folder with CIFAR-10")


def tiles(count: int, size: int = 32) -> list[np.ndarray]:
    """Cut real pictures, `count` of them, from a photograph of a cup of coffee, every fifth one made exactly grey."""
    photo, pictures = data.coffee(), []
    for i in range(count):
        top, left = 7 * i % (photo.shape[0] - size), 13 * i % (photo.shape[1] - size)
        tile = photo[top : top + size, left : left + size].copy()
        pictures.append(tile[..., :1].repeat(3, axis=2) if i % 5 == 4 else tile)
    return pictures


def write_folder(folder: Path, pictures: list[np.ndarray], split: str = "train") -> Path:
    for name in ("cup", "spoon"):
        (folder / split / name).mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / split / ("cup", "spoon")[i % 2] / f"{i:04}.png")
    return folder


def write_parquet(folder: Path, pictures: list[np.ndarray]) -> Path:
    """A folder in the layout of `uoft-cs/cifar10`: Parquet files, and a README with `configs` and `dataset_info`."""
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cup", "spoon"])})
    rows = {"img": [Image.fromarray(p) for p in pictures], "label": [i % 2 for i in range(len(pictures))]}
    (folder / "plain_text").mkdir(parents=True, exist_ok=True)
    file = folder / "plain_text" / "train-00000-of-00001.parquet"
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)
    (folder / "README.md").write_text(CARD)
    return folder


def as_tensor(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def coffee() -> ImageSet:
    return ImageSet(torch.from_numpy(np.stack(tiles(100))).permute(0, 3, 1, 2), torch.arange(100), [])


def test_an_image_folder_is_read_exactly(tmp_path: Path):
    pictures = tiles(10)
    images = load_images(write_folder(tmp_path / "set", pictures), "train")
    assert images.images.dtype == torch.uint8
    expected = torch.from_numpy(np.stack(pictures[::2] + pictures[1::2])).permute(0, 3, 1, 2)  # cups, then spoons
    assert torch.equal(images.images, expected)
    assert images.class_names == ["cup", "spoon"]
    assert images.labels is not None
    assert images.labels.tolist() == [0] * 5 + [1] * 5


def test_the_column_may_be_img_as_on_the_hub(tmp_path: Path):
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = {"img": [Image.fromarray(p) for p in tiles(4)], "label": [0, 1, 1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "data" / "train-0.parquet")
    images = load_images(tmp_path, "train")
    assert len(images) == 4
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 1, 0]
    assert images.class_names == ["a", "b"]


def test_replaced_files_are_read_again(tmp_path: Path):
    first, second = tiles(20)[:10], tiles(20)[10:]
    for write in (write_parquet, write_folder, write_bare_parquet):
        folder = write(tmp_path / write.__name__ / "cifar10", first)
        datasets.load_dataset(str(folder))  # which caches the folder
        expected = load_images(folder, "train")
        assert sorted(map(bytes, expected.images.numpy())) == sorted(map(bytes, as_tensor(first).numpy()))
        times = {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
        shutil.rmtree(folder)
        write(folder, second)
        for path in folder.rglob("*.*"):  # as a copy that keeps the times
            os.utime(path, ns=(times[path.name], times[path.name]))
        images = load_images(folder, "train")
        assert sorted(map(bytes, images.images.numpy())) == sorted(map(bytes, as_tensor(second).numpy()))
        assert images.checksum() != expected.checksum()


def write_bare_parquet(folder: Path, pictures: list[np.ndarray]) -> Path:
    (write_parquet(folder, pictures) / "README.md").unlink()
    (folder / "plain_text").rename(folder / "data")
    return folder


def test_two_folders_of_one_name_are_two_data_sets(tmp_path: Path):
    pictures = {"first": tiles(20)[:10], "second": tiles(20)[10:]}
    folders = {name: write_parquet(tmp_path / name / "cifar10", each) for name, each in pictures.items()}
    for name, folder in (*folders.items(), *folders.items()):
        datasets.load_dataset(str(folder))
        assert torch.equal(load_images(folder, "train").images, as_tensor(pictures[name]))


def test_the_checksum_is_of_the_pixels_in_their_usual_order(tmp_path: Path):
    pictures = tiles(1001)
    images = ImageSet(as_tensor(pictures), None, [])
    assert images.checksum() == hashlib.sha256(np.stack(pictures).tobytes()).hexdigest()
    assert images[torch.arange(1000)].checksum() != images.checksum()


def test_a_damaged_file_is_named(tmp_path: Path):
    folder = write_parquet(tmp_path / "set", tiles(100))
    (file,) = folder.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(DatasetError, match=r"set.* cannot be (read|loaded)"):
        load_images(folder, "train")


def test_other_sizes_are_scaled_and_cropped(tmp_path: Path):
    photo = data.coffee()  # 400 x 600
    images = load_images(write_folder(tmp_path / "set", [photo]), "train", resolution=64).images
    middle = np.array(Image.fromarray(photo[:, 100:500]).resize((64, 64), Image.Resampling.LANCZOS))
    difference = images[0].permute(1, 2, 0).numpy().astype(int) - middle
    assert images.shape == (1, 3, 64, 64)
    assert np.abs(difference).mean() < 2


def test_bad_data_sets_get_one_sentence(tmp_path: Path):
    text = tmp_path / "text" / "data"
    text.mkdir(parents=True)
    datasets.Dataset.from_dict({"text": ["no", "pictures"]}).to_parquet(text / "train-0.parquet")
    wrong = tmp_path / "wrong" / "data"
    wrong.mkdir(parents=True)
    datasets.Dataset.from_dict({"image": [1, 2]}).to_parquet(wrong / "train-0.parquet")
    (tmp_path / "empty").mkdir()
    for name, message in [
        (tmp_path / "text", r"columns \['text'\]"),
        (tmp_path / "wrong", "not images"),
        (tmp_path / "empty", "empty"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "nowhere.parquet", "does not exist"),
        (Path(__file__), "not a Parquet file"),
    ]:
        with pytest.raises(DatasetError, match=message) as caught:
            load_images(name, "train")
        assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="no split 'test'"):
        load_images(write_folder(tmp_path / "train-only", tiles(3)), "test")


def colours(side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def pictures_of_all_modes(folder: Path) -> dict[str, np.ndarray]:
    """Write one picture of each mode, and return by their names the pixels that they must become, by arithmetic."""
    rgb, alpha = colours(), colours(seed=1)[..., :1]
    grey, four = rgb[..., :1], np.concatenate([colours(seed=2), alpha], 2)
    on_white = np.round(rgb * (alpha / 255) + 255 * (1 - alpha / 255)).astype(np.uint8)
    grey_on_white = np.round(grey * (alpha / 255) + 255 * (1 - alpha / 255)).astype(np.uint8).repeat(3, 2)
    deep = np.random.default_rng(3).integers(0, 65536, (32, 32), dtype=np.uint16)
    index, palette = (rgb[..., 0] % 16).astype(np.uint8), colours(seed=4).reshape(-1, 3)[:16]
    paletted = Image.fromarray(index, mode="P")
    paletted.putpalette(palette.tobytes())
    with_hole = np.where((index == 3)[..., None], 255, palette[index]).astype(np.uint8)
    black, ink = four[..., 3:].astype(float), four[..., :3].astype(float)
    saved = {
        "rgb.png": (Image.fromarray(rgb), {}, rgb),
        "rgb-one-colour-clear.png": (Image.fromarray(rgb), {"transparency": tuple(rgb[5, 7].tolist())}, None),
        "alpha.png": (Image.fromarray(np.concatenate([rgb, alpha], 2)), {}, on_white),
        "alpha.webp": (Image.fromarray(np.concatenate([rgb, alpha], 2)), {"lossless": True, "exact": True}, on_white),
        "grey.png": (Image.fromarray(grey[..., 0]), {}, grey.repeat(3, 2)),
        "grey-alpha.png": (Image.fromarray(np.concatenate([grey, alpha], 2)), {}, grey_on_white),
        "grey16.png": (Image.fromarray(deep), {}, np.round(deep[..., None] / 257).astype(np.uint8).repeat(3, 2)),
        "bits.png": (Image.fromarray(rgb[..., 0] > 99), {}, ((rgb[..., :1] > 99) * np.uint8(255)).repeat(3, 2)),
        "palette.png": (paletted, {}, palette[index]),
        "palette-hole.png": (paletted, {"transparency": 3}, with_hole),
        "palette.gif": (paletted, {}, palette[index]),
        "cmyk.tif": (Image.fromarray(four, mode="CMYK"), {}, ((255 - ink) * (255 - black) / 255).round()),
    }
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, (picture, options, pixels) in saved.items():
        picture.save(folder / name, **options)
        if pixels is None:
            clear = (rgb == rgb[5, 7]).all(-1, keepdims=True)
            pixels = np.where(clear, 255, rgb)
        expected[name] = pixels.astype(np.uint8)
    return expected


def test_pictures_of_all_modes_become_rgb(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    expected = pictures_of_all_modes(tmp_path / "set" / "train")
    loaded = load_images(tmp_path / "set", "train")
    assert len(loaded) == len(expected)
    for name, image in zip(sorted(expected), loaded.images.permute(0, 2, 3, 1).numpy(), strict=True):
        difference = np.abs(image.astype(int) - expected[name])
        assert difference.max() <= (1 if name == "cmyk.tif" else 0), name  # Pillow's CMYK rounds twice
    assert caplog.messages == [
        f"{tmp_path / 'set'} (train): 11 images were converted to RGB (1 16-bit grey, 1 CMYK, 3 RGB with transparency, "
        "1 black and white, 1 grey, 1 grey with transparency, 2 palette, 1 palette with transparency)."
    ]
    assert loaded.changes.record() == {"num_converted": 11, "num_enlarged": 0, "num_left_out": 0}
    greys = [name for name in sorted(expected) if is_grey(as_tensor([expected[name]]))]
    assert greys == ["bits.png", "grey-alpha.png", "grey.png", "grey16.png"]
    assert loaded.without_grey()[1] == len(greys)


def test_lab_becomes_rgb(tmp_path: Path):
    lab = np.zeros((32, 32, 3), np.int64)  # lightness in 255 steps
    lab[..., 0], lab[..., 1], lab[..., 2] = 153, np.arange(-16, 16), 10
    (tmp_path / "train").mkdir()
    tifffile.imwrite(tmp_path / "train" / "a.tif", lab.astype(np.uint8), photometric="cielab")
    image = load_images(tmp_path, "train").images[0].permute(1, 2, 0).numpy()
    expected = 255 * color.lab2rgb(lab * (100 / 255, 1, 1))  # white stays white, whichever its illuminant is
    assert np.abs(image - expected).mean() < 4


def test_photographs_are_turned_upright(tmp_path: Path):
    photo = Image.fromarray(data.coffee()).resize((96, 64))
    (tmp_path / "train").mkdir()
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for orientation, stored in turned.items():  # as a camera stores it that was held so
        exif = Image.Exif()
        exif[0x0112] = orientation
        photo.transpose(stored).save(tmp_path / "train" / f"{orientation}.png", exif=exif)
    photo.save(tmp_path / "train" / "plain.png")
    three, six, eight, plain = load_images(tmp_path, "train").images
    assert torch.equal(three, plain)
    assert torch.equal(six, plain)
    assert torch.equal(eight, plain)


def test_damaged_exif_data_does_not_matter(tmp_path: Path):
    (tmp_path / "train").mkdir()
    Image.fromarray(colours()).save(tmp_path / "train" / "a.jpg", exif=b"Exif\0\0no tags at all")
    assert len(load_images(tmp_path, "train")) == 1


def test_unreadable_pictures_are_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = write_folder(tmp_path / "set", tiles(10))
    cups = folder / "train" / "cup"
    Image.fromarray(colours(64)).save(cups / "0000.jpg")
    (cups / "0000.jpg").write_bytes((cups / "0000.jpg").read_bytes()[:1500])  # the first of all
    (cups / "0003.png").write_text("This is no picture.")
    (cups / "0007.png").write_bytes(b"")
    (folder / "train" / "spoon" / "9998.png").write_bytes((cups / "0002.png").read_bytes()[:500])
    (folder / "train" / "spoon" / "9999.png").write_bytes(b"\x89PNG")
    images = load_images(folder, "train")
    pictures = tiles(10)
    assert torch.equal(images.images, as_tensor(pictures[::2] + pictures[1::2]))
    assert images.labels is not None
    assert images.labels.tolist() == [0] * 5 + [1] * 5
    assert caplog.messages == [
        f"{folder} (train): 5 images were unreadable and left out: "
        "train/cup/0000.jpg, train/cup/0003.png, train/cup/0007.png and 2 more."
    ]
    assert images.changes.record() == {"num_converted": 0, "num_enlarged": 0, "num_left_out": 5}
    # rows 0, 3 and 6 are the damaged cups, and the last two the damaged spoons
    assert images.changes.rows(torch.arange(10)).tolist() == [1, 2, 4, 5, 7, 8, 9, 10, 11, 12]
    for path in folder.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"has no images that can be read \(train/cup/0000.jpg, .* and 12 more\)"):
        load_images(folder, "train")


def test_files_of_other_kinds_do_not_hide_the_images(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = write_folder(tmp_path / "set", tiles(4))
    for path in folder.rglob("*.png"):
        for suffix in (".txt", ".json", ""):  # more of each than images of a class
            path.with_suffix(suffix).write_text("a cup")
    (folder / "README.md").write_text("My pictures.")
    (folder / "train" / "cup" / ".DS_Store").write_text("hidden")
    images = load_images(folder, "train")
    assert torch.equal(images.images, as_tensor(tiles(4)[::2] + tiles(4)[1::2]))
    assert images.class_names == ["cup", "spoon"]
    assert caplog.messages == [f"{folder}: 12 files of other kinds were left out (.json, .txt, without suffix)."]
    (folder / "train" / "more.zip").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match="cannot be read as a data set: File is not a zip file"):
        load_images(folder, "train")
    (tmp_path / "my [set]").mkdir()
    with pytest.raises(DatasetError, match="rename the folder"):
        load_images(tmp_path / "my [set]", "train")


def test_unreadable_rows_are_named_by_their_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rows: dict[str, list] = {"image": [{"bytes": png(picture), "path": "a.png"} for picture in tiles(4)]}
    rows["image"][1]["bytes"] = b"damaged"
    rows["image"].append(None)
    file = tmp_path / "set.parquet"
    datasets.Dataset.from_dict(rows, features=datasets.Features({"image": datasets.Image()})).to_parquet(file)
    assert len(load_images(file, "train")) == 3
    assert caplog.messages == [f"{file} (train): 2 images were unreadable and left out: row 1, row 4."]


def png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def test_small_pictures_are_enlarged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    pictures = [*tiles(2, 40), np.full((10, 90, 3), (200, 100, 50), np.uint8)]
    folder = write_folder(tmp_path / "set", pictures)
    images = load_images(folder, "train", resolution=40)
    assert torch.equal(images.images[[0, 2]], as_tensor(pictures[:2]))
    assert images.images[1].flatten(1).unique(dim=1).flatten().tolist() == [200, 100, 50]
    message = f"{folder} (train): 1 image was enlarged, because a side has less than 40 pixels."
    assert caplog.messages == [message]
    load_images(folder, "train", resolution=40)
    assert caplog.messages == [message]  # said once


def test_columns_are_named_by_options(tmp_path: Path):
    features = datasets.Features(
        {"image": datasets.Image(), "photo": datasets.Image(), "label": datasets.Value("int64"),
         "word": datasets.Value("string"), "kind": datasets.Value("int32")}
    )  # fmt: skip
    first, second = tiles(8)[:4], tiles(8)[4:]
    rows = {"image": [Image.fromarray(p) for p in first], "photo": [Image.fromarray(p) for p in second],
            "label": [0, 1, None, 1], "word": ["a", "b", "c", "d"], "kind": [4, 3, 2, 1]}  # fmt: skip
    file = tmp_path / "set.parquet"
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)
    usual = load_images(file, "train")
    assert torch.equal(usual.images, as_tensor(first))
    assert usual.labels is None  # one is missing
    named = load_images(file, "train", image_column="photo", label_column="kind")
    assert torch.equal(named.images, as_tensor(second))
    assert named.labels is not None
    assert named.labels.tolist() == [4, 3, 2, 1]
    assert load_images(file, "train", label_column="word").labels is None
    columns = r"it has the columns \['image', 'photo', 'label', 'word', 'kind'\]\.$"
    with pytest.raises(DatasetError, match=f"no column picture; {columns}"):
        load_images(file, "train", image_column="picture")
    with pytest.raises(DatasetError, match=f"no column class; {columns}"):
        load_images(file, "train", label_column="class")
    with pytest.raises(DatasetError, match=r"column word of .* holds .*, not images"):
        load_images(file, "train", image_column="word")


def test_a_parquet_file_is_any_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures = tiles(6)
    tables = {  # as `datasets` and other programs write images
        "struct": {"image": [{"bytes": png(picture), "path": "a.png"} for picture in pictures]},
        "bytes": {"image": [png(picture) for picture in pictures]},
    }
    monkeypatch.chdir(tmp_path)
    for name, table in tables.items():
        pq.write_table(pa.table(table), f"{name}.parquet")
        for split in ("train", "test"):
            assert torch.equal(load_images(f"{name}.parquet", split).images, as_tensor(pictures))


def test_a_cache_that_cannot_be_written_to_is_named(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", f"{constants.HF_HOME}/hub")

    monkeypatch.setattr(colorgan.splits, "download_dataset_file", fail)
    with pytest.raises(DatasetError, match=r"/hub cannot be written to: set HF_HOME to a folder that can be\)"):
        load_images("uoft-cs/cifar10", "test")


def test_grey_images_are_found_and_removed(coffee: ImageSet):
    assert is_grey(coffee.images).nonzero().flatten().tolist() == list(range(4, 100, 5))
    rest, removed = coffee.without_grey()
    assert removed == 20
    assert rest.labels is not None
    assert rest.labels.tolist() == [i for i in range(100) if i % 5 != 4]


def test_mean_hue_agrees_with_skimage(coffee: ImageSet):
    images = coffee.without_grey()[0].images
    hsv = np.stack([color.rgb2hsv(image.permute(1, 2, 0).numpy()) for image in images])
    coloured = hsv[..., 1] > 0
    angle = np.exp(2j * np.pi * hsv[..., 0])
    expected = np.angle((angle * coloured).sum((1, 2))) / (2 * np.pi) % 1
    distance = np.abs(mean_hue(images).numpy() - expected)
    assert np.minimum(distance, 1 - distance).max() < 1e-4


def test_hues_around_red_have_a_red_mean():
    image = torch.zeros(1, 3, 1, 2, dtype=torch.uint8)
    image[0, :, 0, 0] = torch.tensor([200, 20, 0], dtype=torch.uint8)  # a little above 0
    image[0, :, 0, 1] = torch.tensor([200, 0, 20], dtype=torch.uint8)  # a little below 1
    assert min(mean_hue(image).item(), 1 - mean_hue(image).item()) < 1e-3


@pytest.mark.parametrize("method", ["random", "hue"])
def test_splits_are_disjoint_complete_and_reproducible(method: str, coffee: ImageSet):
    training, validation = split_indices(coffee.images, method, seed=3)
    assert len(validation) == 10
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(100))
    again = split_indices(coffee.images, method, seed=3)
    assert torch.equal(validation, again[1])
    assert not torch.equal(validation, split_indices(coffee.images, method, seed=4)[1])


def test_the_hue_split_takes_every_tenth_hue(coffee: ImageSet):
    _, validation = split_indices(coffee.images, "hue")
    ranks = mean_hue(coffee.images).argsort(stable=True).argsort()
    assert sorted(ranks[validation].tolist()) == list(range(0, 100, 10))


def test_an_epoch_shows_every_image_once_and_flips_half(coffee: ImageSet):
    batches = Batches(coffee, 20, seed=1)
    assert batches.per_epoch == 5
    seen = torch.cat([batches.indices(k) for k in range(5)])
    assert sorted(seen.tolist()) == list(range(100))
    assert torch.cat([batches.indices(k) for k in range(5, 10)]).tolist() != seen.tolist()
    flipped = 0
    for k in range(5):
        rgb, labels = batches[k]
        assert labels is not None
        assert coffee.labels is not None
        assert torch.equal(labels, coffee.labels[batches.indices(k)])
        plain = coffee.images[labels].float() / 255
        for image, original in zip(rgb, plain, strict=True):
            mirrored = torch.equal(image, original.flip(-1))
            assert mirrored or torch.equal(image, original)
            flipped += mirrored
    assert 30 < flipped < 70


def test_batches_depend_only_on_seed_and_number(coffee: ImageSet):
    whole, resumed = Batches(coffee, 8, seed=1), Batches(coffee, 8, seed=1)
    for k in range(20):
        _ = whole[k]
    assert torch.equal(whole[20][0], resumed[20][0])
    assert not torch.equal(whole[20][0], Batches(coffee, 8, seed=2)[20][0])


def test_processes_share_an_epoch(coffee: ImageSet):
    shares = [Batches(coffee, 10, seed=1, process_index=i, num_processes=2) for i in range(2)]
    seen = torch.cat([share.indices(k) for k in range(5) for share in shares])
    assert sorted(seen.tolist()) == list(range(100))


def test_a_batch_larger_than_the_data_is_refused(coffee: ImageSet):
    with pytest.raises(DatasetError, match="at most 50"):
        Batches(coffee, 60, seed=0, num_processes=2)


@needs_cifar10
@pytest.mark.parametrize(("split", "count", "greys"), [("train", 50_000, 562), ("test", 10_000, 106)])
def test_cifar10_is_exact(split: str, count: int, greys: int):
    assert CIFAR10
    images = load_images(CIFAR10, split)
    assert images.images.shape == (count, 3, 32, 32)
    assert images.checksum() == CHECKSUMS[split]
    assert images.class_names[3] == "cat"
    assert images.labels is not None
    assert images.labels.bincount().tolist() == [count // 10] * 10
    rest, removed = images.without_grey()
    assert (len(rest), removed) == (count - greys, greys)


def test_processes_flip_their_images_independently(coffee: ImageSet):
    flips = []
    for process in range(2):
        batches = Batches(coffee, 40, seed=0, process_index=process, num_processes=2)
        rgb, labels = batches[0]
        flips.append(((rgb * 255).round() != coffee.images[labels]).flatten(1).any(1))
    assert 5 < flips[0].sum() < 35
    assert not torch.equal(*flips)
