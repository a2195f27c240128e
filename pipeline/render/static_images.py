"""Single images with one object each: STM's first stage makes clips of them, OSVOS's parent takes them as they are.

Sample i is an image of a gallery and one of the classes that it shows, drawn uniformly; support and query are the same
image. Void pixels become background.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.episodes import Arrays
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore
from pipeline.seeds import generator
from pipeline.table import Table

LENGTH = 100_000_000
"""As many as anyone may ask for, since they are drawn."""


def renderer(
    *, split: str, sources: Mapping[str, Path], least_pixels: int = 2048, frame: int | None = None, seed: int = 0
) -> Table:
    """The split `train`; the one of `sources` is a gallery that counts the `pixels` of each class of its images.

    A class counts as shown from `least_pixels` on; images are warped to squares of side `frame`, or left as they are.
    """
    if split != "train" or len(sources) != 1:
        raise UserError("the renderer 'static_images' makes a split 'train' of one gallery: mend suite.yaml")
    path = next(iter(sources.values()))
    pixels = GalleryStore(path).columns["pixels"][:, 1:]
    images, classes = np.nonzero(pixels >= least_pixels)
    if not len(images):
        raise UserError(f"{path} shows no object of {least_pixels} pixels: lower least_pixels")
    first, shown = np.unique(images, return_index=True)[1], np.bincount(images, minlength=len(pixels))
    usable = np.unique(images)

    def sample(index: int) -> tuple[int, int]:
        random = generator(seed, "episodes", "static", index)
        place = int(random.random() * len(usable))
        among = int(random.random() * shown[usable[place]])
        return int(usable[place]), 1 + int(classes[first[place] + among])

    def rows(start: int, stop: int) -> Arrays:
        drawn = np.array([sample(index) for index in range(start, stop)], np.int32).reshape(-1, 2)
        return {"supports": drawn[:, :1], "queries": drawn[:, :1], "classes": drawn[:, 1:]}

    facts = {"images": len(usable)}
    return Table(path, rows, LENGTH, 1, 1, 1, fit=frame, support_fit=frame, void="background", facts=facts)
