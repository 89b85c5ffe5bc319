"""Figures made of a grid of images: titled columns, one row per example, enlarged without smoothing."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP, TITLE = 4, 24  # pixels


def grid(columns: dict[str, Tensor], cell: int = 128) -> Image.Image:
    """Draw a grid with one titled column per uint8 stack (N, 3, H, W) and one row per image.

    Every image is `cell` pixels high; stacks have the same N, H and W.
    """
    first = next(iter(columns.values()))
    count, _, height, width = first.shape
    cell_width = round(cell * width / height)
    sheet = Image.new(
        "RGB", (len(columns) * (cell_width + GAP) + GAP, TITLE + count * (cell + GAP)), color=(255, 255, 255)
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for i, (title, images) in enumerate(columns.items()):
        left = GAP + i * (cell_width + GAP)
        draw.text((left + cell_width / 2, TITLE / 2), title, fill=(40, 40, 40), font=font, anchor="mm")
        for j, image in enumerate(images.cpu().permute(0, 2, 3, 1).contiguous().numpy()):
            picture = Image.fromarray(image).resize((cell_width, cell), Image.Resampling.NEAREST)
            sheet.paste(picture, (left, TITLE + j * (cell + GAP)))
    return sheet


def save_grid(path: Path, columns: dict[str, Tensor], cell: int = 128) -> None:
    """Save `grid(columns, cell)` as an image file; its folder is created if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid(columns, cell).save(path)
