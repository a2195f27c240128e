"""PASCAL-5i (Shaban et al. 2017): episodes of one fold, as positions in the VOC gallery, under a named protocol.

Test splits: `oslsm`, the benchmark of 1,000 tuples, warped to 500 x 500; `k_sweep`, the same with ten supports each;
`oslsm_original`, the same at their own size; `sgone_swapped`, `hsnet` (`hsnet_one` with one support, which is another
drawing), `pfenet_repri`, `cofcn_all` and `five_way` as those papers' code has them; and `base_val`, drawn like the
benchmark, but of base classes, to choose among weights.
The split `train` holds base classes alone: of an image that shows a novel one too, that one is background.

No support is without its class: small objects are no items, so that a mask seldom vanishes when it is shrunk; those of
`cofcn_all` and `five_way` and of all samplers but `items` have a pixel at least, and may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError, nearest
from pipeline.render import protocols
from pipeline.render.folds import CLASSES, base, novel
from pipeline.render.grid_points import LEAST
from pipeline.render.items import Item, benchmark_items, hsnet_items, restricted
from pipeline.render.samplers import SAMPLERS, ImagePasses, ItemPasses, Sampler, UniformClasses, UniformImages
from pipeline.render.tuples import Tuple, draw_tuples
from pipeline.render.voc_view import VocView, read_view
from pipeline.table import Fit, Table, Void

LENGTH = 100_000_000
"""Training samples: as many as anyone may ask for, since they are drawn, not taken from a list."""
LISTS = ("voc_sbd_5953", "trainaug_10582")
WAYS_FROM = ("val", "trainaug")
SHORT = ("fail", "fewer")
_ALL = range(1, len(CLASSES) + 1)


@dataclass(frozen=True)
class Seen:
    """How a protocol shows its images."""

    fit: Fit
    void: Void
    supports: int
    """Supports that are stored; fewer shots take the first ones."""
    support_void: Literal["way"] | None = None
    """As `Table` has it."""


def renderer(
    *,
    split: str,
    sources: Mapping[str, Path],
    fold: int,
    supports: int | None = None,
    short: str = "fail",
    warp: int = 500,
    hsnet_warp: int = 400,
    least_cells: int = LEAST,
    least_pixels: int = 2048,
    list: str = "trainaug_10582",
    sampler: str = "items",
    frame: int | None = None,
    ways_from: str = "val",
    seed: int = 0,
) -> Table:
    """The split's table; `sources["voc"]` is the gallery's store.

    Of test splits: `supports` stored (None: 5, and 10 of `k_sweep`), the sides `warp` and `hsnet_warp`, `least_pixels`
    of PFENet's large objects, and what happens where a part of VOC has too few images of a class (`short`: `fail`, an
    error; `fewer`, fewer supports in the benchmark's tuples, and in `five_way` some that show other classes too). Of
    training: the `list` of images, the `sampler` (`samplers`), a `frame` that images are warped to (None: their own
    size) and the `seed`. `least_cells` is the small-object filter, for training and wherever val is not VOC's own.
    Images of `five_way` come from `ways_from`: VOC's `val`, which the paper does not name, or all of `trainaug`, as
    SG-One's code has it. `UserError` for what does not exist, and for too few images.
    """
    if "voc" not in sources:
        raise UserError("the renderer 'pascal5i' needs the gallery 'voc': add it in suite.yaml")
    view = read_view(sources["voc"])
    if split == "train":
        drawn = _sampler(view, fold, list, sampler, least_cells, seed)
        objects = len(base(fold)) if sampler == "semantic" else 1
        return Table(view.gallery, drawn.rows, LENGTH, 1, 1, objects, fit=frame, support_fit=frame, facts=drawn.facts)
    frames = {
        "oslsm": Seen(warp, "background", 5),
        "k_sweep": Seen(warp, "background", 10),
        "oslsm_original": Seen(None, "background", 5),
        "base_val": Seen(warp, "background", 5),
        "sgone_swapped": Seen(None, "background", 1),
        "hsnet": Seen(hsnet_warp, "keep", 5),
        "hsnet_one": Seen(hsnet_warp, "keep", 1),
        "pfenet_repri": Seen("square", "keep", 5),
        "cofcn_all": Seen(None, "keep", 5),
        "five_way": Seen(None, "keep", 5, support_void="way"),
    }
    if split not in frames:
        raise UserError(f"PASCAL-5i has no split '{split}'; {nearest(split, ['train', *frames])}")
    seen = frames[split]
    stored = seen.supports if supports is None or split in ("sgone_swapped", "hsnet_one", "five_way") else supports
    if short not in SHORT:
        raise UserError(f"short={short}: too few images are an error, or give fewer supports; {nearest(short, SHORT)}")
    if ways_from not in WAYS_FROM:
        raise UserError(f"ways_from={ways_from}: five ways have no such source; {nearest(ways_from, WAYS_FROM)}")
    choice = _Choice(view, fold, least_cells, least_pixels, fewer=short == "fewer", ways_from=ways_from)
    return _table(view, seen, getattr(choice, split)(stored), novel(fold) if split == "five_way" else None)


@dataclass(frozen=True)
class _Choice:
    """Test episodes of each split by names: its methods are named after the splits."""

    view: VocView
    fold: int
    least_cells: int
    least_pixels: int
    fewer: bool
    ways_from: str

    def oslsm(self, supports: int) -> list[Tuple]:
        items = self._items(novel(self.fold), benchmark_items(self.fold))
        return draw_tuples(items, supports=supports, fewer=self.fewer)

    k_sweep = oslsm_original = oslsm

    def base_val(self, supports: int) -> list[Tuple]:
        others = (item for fold in range(4) if fold != self.fold for item in benchmark_items(fold))
        return draw_tuples(self._items(base(self.fold), sorted(others)), supports=supports, fewer=self.fewer)

    def sgone_swapped(self, supports: int) -> list[Tuple]:
        return protocols.swapped(self.oslsm(supports))

    def hsnet(self, supports: int) -> list[Tuple]:
        return protocols.hsnet(self._items(novel(self.fold), hsnet_items(self.fold)), supports=supports)

    hsnet_one = hsnet

    def pfenet_repri(self, supports: int) -> list[Tuple]:
        items, shown = self._shown(novel(self.fold), self.least_pixels), self._shown(novel(self.fold), 1)
        return protocols.pfenet_repri(items, shown, fold=self.fold, supports=supports)

    def cofcn_all(self, supports: int) -> list[Tuple]:
        return protocols.cofcn_all(self._shown(novel(self.fold), 1), fold=self.fold, supports=supports)

    def five_way(self, _supports: int) -> list[Tuple]:
        own = self.view.on("val") if self.ways_from == "val" else ~self.view.on("val")
        shown = self.view.items((self.view.pixels > 0) & own[:, None], _ALL)
        return protocols.five_way(shown, novel(self.fold), fold=self.fold, mixed=self.fewer)

    def _items(self, classes: Sequence[int], listed: Sequence[Item]) -> tuple[Item, ...]:
        """Those listed of the images that are there; of a sample, those that pass the small-object filter."""
        if self.view.published:
            return restricted(listed, set(self.view.names))
        large = self.view.cells >= self.least_cells
        return self.view.items(large & self.view.on("val")[:, None], classes)

    def _shown(self, classes: Sequence[int], least: int) -> tuple[Item, ...]:
        return self.view.items((self.view.pixels >= least) & self.view.on("val")[:, None], classes)


def _table(view: VocView, seen: Seen, tuples: Sequence[Tuple], ways: Sequence[int] | None) -> Table:
    place = {name: i for i, name in enumerate(view.names)}
    most = max(len(drawn.supports) for drawn in tuples)
    supports = np.full((len(tuples), most), -1, np.int32)
    for row, drawn in zip(supports, tuples, strict=True):
        row[: len(drawn.supports)] = [place[name] for name in drawn.supports]
    arrays = {
        "supports": supports,
        "queries": np.array([[place[drawn.query]] for drawn in tuples], np.int32),
        "classes": np.array([ways or [drawn.cls] for drawn in tuples], np.int32),
    }
    return Table(
        view.gallery,
        _part(arrays),
        len(tuples),
        supports=arrays["supports"].shape[1],
        queries=1,
        objects=arrays["classes"].shape[1],
        ways=len(ways) if ways else 1,
        fit=seen.fit,
        void=seen.void,
        support_void=seen.support_void,
        facts={
            "items": len({(drawn.cls, drawn.query) for drawn in tuples}),
            "short": int((supports < 0).any(axis=1).sum()),
        },
    )


def _part(arrays: Arrays) -> Callable[[int, int], Arrays]:
    return lambda start, stop: {name: array[start:stop] for name, array in arrays.items()}


def _sampler(view: VocView, fold: int, listed: str, sampler: str, least_cells: int, seed: int) -> Sampler:
    """The training split's sampler; val's images are of no training list."""
    if listed not in LISTS:
        raise UserError(f"list={listed}: PASCAL-5i has no such training list; {nearest(listed, LISTS)}")
    if sampler not in SAMPLERS:
        raise UserError(f"sampler={sampler}: PASCAL-5i has no such sampler; {nearest(sampler, SAMPLERS)}")
    own = ~view.on("val") if listed == "trainaug_10582" else (view.on("train") | view.on("noval")) & ~view.on("val")
    large = view.cells >= (least_cells if sampler == "items" else 0)
    shown: NDArray[np.bool_] = (view.pixels > 0) & large & own[:, None]
    shown[:, 0] = False
    if sampler == "single_class":
        shown &= shown.sum(axis=1, keepdims=True) == 1
    elif sampler == "base_only":
        shown &= ~shown[:, list(novel(fold))].any(axis=1, keepdims=True)
    images = {cls: np.flatnonzero(shown[:, cls]).astype(np.int32) for cls in base(fold)}
    dataset = f"pascal5i_{listed}-fold{fold}"
    if sampler == "semantic":
        return ImagePasses(
            np.flatnonzero(shown[:, list(base(fold))].any(axis=1)).astype(np.int32), base(fold), dataset, seed
        )
    if sampler == "items":
        return ItemPasses(images, dataset, seed)
    if sampler == "paper":
        return UniformImages(images, dataset, seed)
    return UniformClasses(images, dataset, sampler, seed)
