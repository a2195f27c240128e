"""Draws clutter.png: `python -m docs.images.clutter FOLDER`, where FOLDER holds Omniglot's two official archives.

One column a clutter level, the third episode of `test_one_shot`: the target, the scene, the mask to be found.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline.episodes import unpack_masks
from pipeline.render.cluttered_omniglot import renderer

LEVELS = (4, 8, 16, 32, 64, 128, 256)
INDEX, SIDE, GAP, MARGIN = 2, 96, 6, 16


def column(omniglot: Path, level: int) -> list[Image.Image]:
    """Target (32 x 32), scene and mask (96 x 96) of one episode."""
    drawn = renderer(split="test_one_shot", sources={"omniglot": omniglot}, characters=level)
    episode = drawn.shard(0, INDEX + 1)
    mask = unpack_masks(episode["query_masks"][INDEX, 0], SIDE, SIDE) * 255
    pictures = (episode["support_images"][INDEX, 0], episode["query_images"][INDEX, 0], mask)
    return [Image.fromarray(picture).convert("RGB") for picture in pictures]


def main() -> None:
    """Lay the columns side by side, twice as large as they are."""
    width, height = len(LEVELS) * (SIDE + GAP) - GAP, MARGIN + 32 + 2 * (GAP + SIDE)
    page = Image.new("RGB", (2 * width, 2 * height), "white")
    text = ImageDraw.Draw(page)
    for number, level in enumerate(LEVELS):
        left, top = number * (SIDE + GAP), MARGIN
        text.text((2 * left + SIDE, 4), f"n = {level}", fill="black", anchor="ma", font_size=22)
        for picture in column(Path(sys.argv[1]), level):
            place = (2 * left + SIDE - picture.width, 2 * top)
            page.paste(picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST), place)
            top += picture.height + GAP
    page.quantize(128).save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
