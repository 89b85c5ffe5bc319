"""The pix2pix cGAN's joint step, our way and the way of those who trained it before, in the same run.

    python bench/peers.py [--seconds 10]

The peers' way, written from its description (karoly-hars/GAN_image_colorizing and others): PNG files, read, turned to
Lab and augmented one by one by scikit-image in a DataLoader's four workers; the same two networks (16.65 M parameters
and a discriminator of the pix2pix preset) in float32 and the default memory layout; losses read at every step. Ours is
`train/cgan.py --preset pix2pix`. They take turns, so that what else the machine does falls on both.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import in_new_process, synchronize
from PIL import Image
from skimage import data
from skimage.color import rgb2lab
from torch.utils.data import DataLoader, Dataset

from colorgan.models import Discriminator, Generator

LAMBDA_L1, BATCH, REPEATS = 100.0, 64, 3


class Files(Dataset):
    """Lightness and chroma of PNG files, one at a time."""

    def __init__(self, folder: Path):
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        rgb = np.asarray(Image.open(self.paths[index]).convert("RGB"))
        if np.random.rand() < 0.5:
            rgb = rgb[:, ::-1]
        lab = torch.from_numpy(rgb2lab(rgb)).permute(2, 0, 1).float()
        return lab[:1] / 50 - 1, lab[1:] / 110


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        write_crops(Path(folder))
        for _ in range(REPEATS):
            theirs = peers_way(Path(folder), options.seconds)
            arguments = ("--preset", "pix2pix", "--train_batch_size", str(BATCH))
            ours = in_new_process("cgan", *arguments, seconds=options.seconds)["images_per_s"]
            ratios.append(ours / theirs)
            print(f"the peers' way {theirs:.1f} images/s, ours {ours:.1f}: {ratios[-1]:.2f} times as fast", flush=True)
    print(f"median of {REPEATS}: {statistics.median(ratios):.2f} times as fast")


def write_crops(folder: Path) -> None:
    """Some thousand pictures of 32 x 32 pixels, cut out of photographs that come with scikit-image."""
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        picture = getattr(data, name)()
        for top in range(0, picture.shape[0] - 31, 16):
            for left in range(0, picture.shape[1] - 31, 16):
                Image.fromarray(picture[top : top + 32, left : left + 32]).save(folder / f"{name}-{top}-{left}.png")


def peers_way(folder: Path, seconds: float) -> float:
    """Images a second of the joint step, after three steps to warm up."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = Generator("pix2pix", 64).to(device).train()
    discriminator = Discriminator("pix2pix", 64).to(device).train()
    optimizer_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    loader = DataLoader(Files(folder), BATCH, shuffle=True, num_workers=4, drop_last=True)
    steps, began = 0, 0.0
    while True:
        for batch in loader:
            lightness, chroma = (x.to(device) for x in batch)
            generated = generator(lightness)
            real, false = discriminator(lightness, chroma), discriminator(lightness, generated.detach())
            loss_d = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            loss_d = loss_d + F.binary_cross_entropy_with_logits(false, torch.zeros_like(false))
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()

            logits = discriminator(lightness, generated)
            loss_g = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            loss_g = loss_g + LAMBDA_L1 * F.l1_loss(generated, chroma)
            optimizer_g.zero_grad()
            loss_g.backward()
            optimizer_g.step()
            loss_d.item(), loss_g.item()

            steps += 1
            if steps == 3:
                synchronize(device)
                began = time.perf_counter()
            elif steps > 3 and time.perf_counter() - began > seconds:
                synchronize(device)
                return BATCH * (steps - 3) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
