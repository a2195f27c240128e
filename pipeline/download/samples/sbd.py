"""A sample of SBD in its layout: `benchmark_RELEASE/dataset/{img, cls, train.txt, val.txt}` and `train_noval.txt`.

It adds pictures to the sample of VOC, and repeats the first of each class of VOC's train and val under their own names,
as the real one does. Masks are MATLAB files without void.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from pipeline.download.samples.voc2012 import save_jpeg
from pipeline.download.samples.voc_scenes import CLASSES, Mask, draw_scene
from pipeline.job import Facts, parse

_HEADER = b"MATLAB 5.0 MAT-file, a sample in the layout of SBD".ljust(116)
"""In place of a header with the date, so that the bytes are the same each time."""


class Parameters(Facts):
    """How much to generate."""

    more: Annotated[int, Field(ge=1, le=999)] = 4
    """Pictures of each class beyond VOC's; the first half of them is of train_noval."""


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same pictures for the same parameters and seed."""
    wanted = parse(Parameters, parameters, "sample of sbd")
    root = target / "benchmark_RELEASE" / "dataset"
    for kind in ("img", "cls"):
        (root / kind).mkdir(parents=True)
    extra = [f"sbd_{number + 1:06d}" for number in range(CLASSES * wanted.more)]
    shared = {split: [f"{split}_{number + 1:06d}" for number in range(CLASSES)] for split in ("train", "val")}
    for names in (extra, *shared.values()):
        for number, name in enumerate(names):
            scene = draw_scene(seed, name, 1 + number % CLASSES)
            save_jpeg(root / "img" / f"{name}.jpg", scene.image)
            save_matlab(root / "cls" / f"{name}.mat", scene.mask)
    noval = extra[: len(extra) // 2] + shared["train"]
    lists = {
        root / "train.txt": noval + shared["val"],
        root / "val.txt": extra[len(extra) // 2 :],
        target / "train_noval.txt": noval,
    }
    for path, names in lists.items():
        path.write_text("".join(f"{name}\n" for name in sorted(names)))


def save_matlab(path: Path, mask: Mask) -> None:
    """A mask as SBD's `GTcls`, with the classes that it shows."""
    from scipy.io import savemat

    shown = np.unique(mask[mask > 0])[:, None]
    savemat(path, {"GTcls": {"Segmentation": mask, "CategoriesPresent": shown}})
    path.write_bytes(_HEADER + path.read_bytes()[len(_HEADER) :])
