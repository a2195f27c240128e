"""Draws studies.png: `python -m docs.images.studies`, from results/ of `make run`.

A row a study, each the first episode of one system: what it is shown, the query, the truth and its answer; of a
synthesizer, the pair and four of its samples.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.report.samples import over
from pipeline.report.strips import Pixels, blend, paint, tint

SCORES = Path("results/scores/sample")
ROWS = {
    "clutter: masknet": "masknet/clutter-n4/clutter-n4-test_one_shot",
    "texture: texture_net": "texture_net/colltex/colltex-n2-p32-test",
    "PASCAL-5i: prototypes": "prototypes/pascal5i_voc_sbd_5953-fold0/pascal5i-fold0-oslsm",
    "synthesis: osmis": "osmis/davis17/davis17-pairs",
    "augmentation: osvos": "osvos/video/davis16-val",
}
HEIGHT, GAP, MARGIN, COLUMNS = 128, 8, 30, 5


def row(archive: Path) -> list[Pixels]:
    """The pictures of the first episode that was kept."""
    with np.load(archive) as arrays:
        support = arrays["0/support0"]
        if "0/mask0" in arrays.files:
            support = tint(support, arrays["0/mask0"])
        if "0/sample0" in arrays.files:
            made = [over(arrays[f"0/sample{n}"], arrays[f"0/sample_mask{n}"]) for n in range(COLUMNS - 1)]
            return [over(arrays["0/support0"], arrays["0/mask0"]), *made]
        return [support, arrays["0/query0"], paint(arrays["0/truth0"]), blend(arrays["0/prediction0"])]


def main() -> None:
    """Lay the rows under one another, every picture equally high."""
    page = Image.new("RGB", (COLUMNS * (192 + GAP), len(ROWS) * (HEIGHT + MARGIN + GAP)), "white")
    text = ImageDraw.Draw(page)
    for number, (title, folder) in enumerate(ROWS.items()):
        left, top = 0, number * (HEIGHT + MARGIN + GAP)
        text.text((0, top + 6), title, fill="black", font_size=18)
        for picture in row(SCORES / folder / "none" / "seed0.npz"):
            width = round(HEIGHT * picture.shape[1] / picture.shape[0])
            shown = Image.fromarray(picture).resize((width, HEIGHT), Image.Resampling.NEAREST)
            page.paste(shown, (left, top + MARGIN))
            left += width + GAP
    page.quantize(192).save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
