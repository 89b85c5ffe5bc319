"""Data sets are read, cleaned of grey images, split, and cut into batches; COLORGAN_CIFAR10 names real CIFAR-10."""

import hashlib
import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import color, data

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


def write_folder(folder: Path, pictures: list[np.ndarray], split: str = "train", mode: str = "RGB") -> Path:
    for name in ("cup", "spoon"):
        (folder / split / name).mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).convert(mode).save(folder / split / ("cup", "spoon")[i % 2] / f"{i:04}.png")
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
    folder = write_folder(tmp_path / "pictures", tiles(3))
    (folder / "train" / "cup" / "0000.png").write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match=r"Image 0 of .* is damaged"):
        load_images(folder, "train")


def test_other_sizes_are_scaled_and_cropped(tmp_path: Path):
    photo = data.coffee()  # 400 x 600
    images = load_images(write_folder(tmp_path / "set", [photo]), "train", resolution=64).images
    middle = np.array(Image.fromarray(photo[:, 100:500]).resize((64, 64), Image.Resampling.LANCZOS))
    difference = images[0].permute(1, 2, 0).numpy().astype(int) - middle
    assert images.shape == (1, 3, 64, 64)
    assert np.abs(difference).mean() < 2


def test_bad_data_sets_get_one_sentence(tmp_path: Path):
    grey_folder = write_folder(tmp_path / "grey", tiles(3), mode="L")
    text = tmp_path / "text" / "data"
    text.mkdir(parents=True)
    datasets.Dataset.from_dict({"text": ["no", "pictures"]}).to_parquet(text / "train-0.parquet")
    wrong = tmp_path / "wrong" / "data"
    wrong.mkdir(parents=True)
    datasets.Dataset.from_dict({"image": [1, 2]}).to_parquet(wrong / "train-0.parquet")
    (tmp_path / "empty").mkdir()
    for name, message in [
        (grey_folder, "mode L; colorgan needs RGB"),
        (tmp_path / "text", r"columns \['text'\]"),
        (tmp_path / "wrong", "not images"),
        (tmp_path / "empty", "empty"),
        (tmp_path / "nowhere", "does not exist"),
    ]:
        with pytest.raises(DatasetError, match=message) as caught:
            load_images(name, "train")
        assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="no split 'test'"):
        load_images(write_folder(tmp_path / "train-only", tiles(3)), "test")


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
