"""Scores masks that another program made: each is a file, found by the names of its episode's images."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pipeline.errors import UserError
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports


def build(*, folder: str) -> "ImportedMasks":
    """`folder` holds `QUERY-SUPPORT1-...-SUPPORTk.png` for every episode; `UserError` where it is not there."""
    if not Path(str(folder)).is_dir():
        raise UserError(f"pascal_masks={folder}: there is no such folder; name the one that holds the masks")
    return ImportedMasks(Path(str(folder)))


class ImportedMasks(Segmenter):
    """Answers with what lies in its folder; looks at no image and at no mask of a support."""

    trunk = "none"

    def __init__(self, folder: Path) -> None:
        """Files are read when their turn comes."""
        super().__init__()
        self.folder = folder

    def adapt(self, supports: Supports) -> list[str]:
        """The supports of each episode as they stand in its mask's name."""
        return ["-".join(map(_name, ids)) for ids in zip(*(frame.ids for frame in supports.frames), strict=True)]

    def predict(self, state: list[str], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """1 on the object and 0 elsewhere, (B, 1, H, W); `UserError` for a mask that is missing or wrong."""
        for query in queries:
            height, width = query.images.shape[2:]
            paths = [
                self.folder / f"{_name(own)}-{supports}.png" for own, supports in zip(query.ids, state, strict=True)
            ]
            masks = torch.stack([_read(path, height, width) for path in paths])
            yield Prediction(probabilities=masks[:, None].float().to(query.images.device))


def _name(frame: str) -> str:
    """`voc/2010_001448@500` -> `2010_001448`."""
    return frame.rpartition("/")[2].partition("@")[0]


def _read(path: Path, height: int, width: int) -> Tensor:
    """A mask (H, W) of 0 and 1."""
    try:
        with Image.open(path) as opened:
            mode, mask = opened.mode, np.array(opened)
    except FileNotFoundError:
        listed = "`python -m pipeline.export pascal5i-fold0/oslsm --output FOLDER` lists the episodes of a fold"
        raise UserError(f"the mask {path} is missing: make it, and go on; {listed}") from None
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"the mask {path} cannot be read ({error}): write it again, as PNG") from None
    if mode not in ("1", "L", "P"):
        raise UserError(f"the mask {path} is a picture of mode {mode}: write one channel of 0 and 1")
    if mask.shape != (height, width):
        sizes = f"{mask.shape[1]}x{mask.shape[0]} pixels, and is scored in {width}x{height}"
        raise UserError(f"the mask {path} has {sizes}: warp it to that size, by the nearest pixel")
    if mask.max() > 1:
        raise UserError(f"the mask {path} holds the value {mask.max()}: write 1 on the object and 0 elsewhere")
    return torch.from_numpy(mask.astype(np.uint8))
