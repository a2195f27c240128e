"""Episodes as tables of positions in a gallery: who supports, who is queried, which values of the masks are objects.

A store of such a split has `supports` (N, K), `queries` (N, Q) and `classes` (N, O); a place that an episode leaves
empty holds -1 in the first two and 0 in the last. Its attributes say in which frame and under which void rule images
are seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.episodes import Arrays, ArraySpec, Layout
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore
from pipeline.segmenter import VOID, Batch, Frame, Supports

SHARD = 1000
Fit = int | str | None
"""How a frame is fitted: warped to a side; `square`, padded to a square of its longer side; `longer417` (see `longer`);
or None, left at its own size."""
Void = Literal["keep", "background", "foreground"]


@dataclass(frozen=True)
class Table:
    """A split of episodes by position; what a renderer that draws from a gallery returns."""

    gallery: Path
    """Its store."""
    rows: Callable[[int, int], Arrays]
    """(start, stop) -> `supports`, `queries` and `classes` of those episodes; a pure function."""
    length: int
    supports: int
    queries: int
    objects: int
    """K, Q and O at most."""
    ways: int = 1
    """Supports that make one shot."""
    fit: Fit = None
    """Frame of the queries, which is the one that is scored. What a square adds is void."""
    support_fit: Fit = None
    void: Void = "keep"
    """What void pixels of the masks become; `foreground` is object 1."""
    support_void: Literal["way"] | None = None
    """What those of supports become instead: the object of the support's own way."""
    ignored: Sequence[int] = ()
    """Values of the masks that are void too."""
    facts: Mapping[str, int] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Rows of positions, and how to look at them."""
        return Layout(
            arrays={
                "supports": ArraySpec((self.supports,), "int32"),
                "queries": ArraySpec((self.queries,), "int32"),
                "classes": ArraySpec((self.objects,), "int32"),
            },
            attributes={
                "gallery": self.gallery.as_posix(),
                "ways": self.ways,
                "fit": self.fit,
                "support_fit": self.support_fit,
                "void": self.void,
                "support_void": self.support_void,
                "ignored": list(self.ignored),
            },
            shard=SHARD,
            chunk=SHARD,
        )

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` episodes of shard `index`."""
        return self.rows(index * SHARD, index * SHARD + count)


class TableReader:
    """Turns rows of a table into batches of images."""

    def __init__(self, attributes: Mapping[str, Any], *, limit: int = 0) -> None:
        """Read from the gallery that `attributes` name, keeping `limit` bytes of decoded images."""
        path = Path(attributes["gallery"])
        self._gallery, self._name = GalleryStore(path, limit=limit), path.parent.name
        self._fit: Fit = attributes["fit"]
        self._support_fit: Fit = attributes["support_fit"]
        self._ways, self._void = int(attributes["ways"]), str(attributes["void"])
        self._void_is_way = attributes["support_void"] == "way"
        self._ignored: list[int] = attributes["ignored"]

    @property
    def one_size(self) -> bool:
        """Whether all supports have one size, and all queries one, so that episodes go side by side."""
        return all(fit not in ("square", None) for fit in (self._fit, self._support_fit))

    def batch(self, rows: Arrays) -> Batch:
        """Episodes `rows` of the table, side by side; `UserError` where their sizes differ or they lack the same."""
        used = {name: [row[row != (0 if name == "classes" else -1)] for row in array] for name, array in rows.items()}
        classes = used["classes"]
        if len({tuple(len(used[name][row]) for name in used) for row in range(len(classes))}) > 1:
            raise UserError("episodes with different numbers of frames or objects cannot go side by side: set batch: 1")
        supports = self._frames(used["supports"], classes, self._support_fit, void_is_way=self._void_is_way)
        queries = self._frames(used["queries"], classes, self._fit)
        return Batch(
            Supports(supports, len(classes[0]), self._ways),
            queries,
            torch.from_numpy(np.stack(classes).astype(np.int64)),
        )

    def _frames(
        self, positions: list[NDArray[Any]], classes: list[NDArray[Any]], fit: Fit, *, void_is_way: bool = False
    ) -> tuple[Frame, ...]:
        return tuple(
            self._frame([row[k] for row in positions], classes, fit, k % self._ways + 1 if void_is_way else self._void)
            for k in range(len(positions[0]) if positions else 0)
        )

    def _frame(self, positions: list[int], classes: list[NDArray[Any]], fit: Fit, void: str | int) -> Frame:
        images, masks, names = [], [], []
        for position, numbers in zip(positions, classes, strict=True):
            image, mask = self._gallery.picture(int(position))
            objects = torch.from_numpy(objects_of(numbers, void, self._ignored)[mask])
            image_fitted, mask_fitted = fitted(torch.from_numpy(image.copy()).permute(2, 0, 1), objects, fit)
            images.append(image_fitted)
            masks.append(mask_fitted)
            names.append(f"{self._name}/{self._gallery.names[position]}" + (f"@{fit}" if fit else ""))
        if len({image.shape for image in images}) > 1:
            raise UserError("images of different sizes cannot go side by side: set batch: 1, or a frame of one size")
        return Frame(torch.stack(images), torch.stack(masks), tuple(names))


def objects_of(classes: NDArray[Any], void: str | int, ignored: Sequence[int] = ()) -> NDArray[np.uint8]:
    """(256,) what each value of a mask becomes: the k-th of `classes` object k, void as the rule says, all else 0.

    A number as rule is the object that void becomes. `ignored` values stay void.
    """
    table = np.zeros(256, np.uint8)
    table[list(ignored)] = VOID
    table[VOID] = void if isinstance(void, int) else {"keep": VOID, "background": 0, "foreground": 1}[void]
    table[classes] = np.arange(1, len(classes) + 1)
    return table


def longer(side: int) -> str:
    """The fit that scales the longer side to at most `side` pixels, both to multiples of 8, then pads to a square."""
    return f"longer{side}"


def fitted(image: Tensor, mask: Tensor, fit: Fit) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) and mask (H, W), uint8, in another frame: images bilinear without a blur, masks nearest.

    What is padded, at the bottom and on the right, is black in the image and void in the mask.
    """
    if fit is None:
        return image, mask
    height, width = mask.shape
    side = max(height, width)
    if isinstance(fit, int):
        return _warped(image, mask, (fit, fit))
    if fit != "square":
        # RePRI's frame (arXiv 2012.06166): 417 pixels hold a longer side of 416.
        side = int(fit.removeprefix("longer"))
        height, width = (max(length * side // max(height, width) // 8 * 8, 8) for length in (height, width))
        image, mask = _warped(image, mask, (height, width))
    margin = (0, side - width, 0, side - height)
    return F.pad(image, margin), F.pad(mask, margin, value=VOID)


def _warped(image: Tensor, mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    resized = F.interpolate(image[None].float(), size, mode="bilinear", align_corners=False)[0]
    return resized.round().to(torch.uint8), F.interpolate(mask[None, None], size, mode="nearest-exact")[0, 0]
