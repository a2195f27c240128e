"""Layout feature augmentation of OSMIS: parts of real feature maps move, together with their masks.

Background is mixed within and between images, objects are pasted into the partner image, and objects are moved,
doubled or removed; no object is ever cut by a rectangle. Of every step five tries are evaluated side by side and the
first that is valid is applied by selection, so that nothing waits for the device.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.layers.one_shot.layout_augmentation import partners, per_pair
from pipeline.layers.one_shot.rectangles import Rectangles, bounds, draw

TRIES = 5
TOUCH = 0.01
"""An object's share in a region from which on the region touches it."""
INSIDE = 0.5
"""An object's region is where its mask exceeds this."""


class Scene(NamedTuple):
    """B real feature maps with their masks, one map of C + N channels: what moves, moves in both."""

    both: Tensor
    """(B, C + N, h, w): features, then the masks of background and objects."""
    channels: int
    """C."""

    @property
    def masks(self) -> Tensor:
        """(B, N, h, w)."""
        return self.both[:, self.channels :]

    @property
    def objects(self) -> Tensor:
        """(B, h, w): how much of each cell any object takes."""
        return self.masks[:, 1:].sum(1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.both.shape[-2], self.both.shape[-1]

    def put(self, where: Tensor, content: Tensor) -> "Scene":
        """The same scene with `content` (B, C + N, h, w) where `where` (B, h, w) is true."""
        return self._replace(both=torch.where(where[:, None], content, self.both))

    def shifted(self, rows: Tensor, columns: Tensor) -> Tensor:
        """The content that lies `rows` below and `columns` right of each cell, per sample (B,), wrapped around."""
        return _shifted(self.both, rows, columns)


def augment_masked_layout(features: Tensor, masks: Tensor, *, probability: float, quirks: bool) -> Tensor:
    """Features (B, C, h, w) with masks (B, N, h, w) at their size, augmented; every step with `probability`.

    With `quirks`, as released: whether a mix within an image touches an object is asked of the sample that has the
    number of the try, and objects move in the first sample alone. Otherwise each sample is asked itself, and objects
    move in all.
    """
    scene = Scene(torch.cat([features, masks.to(features.dtype)], 1), features.shape[1])
    scene = mix_background(scene, probability, quirks)
    scene = swap_background(scene, probability)
    if masks.shape[1] > 1:
        scene = paste_object(scene, probability)
        scene = move_objects(scene, probability, first_only=quirks)
    return scene.both[:, : scene.channels]


def mix_background(scene: Scene, probability: float, quirks: bool) -> Scene:
    """In each sample a rectangle of background is covered by another one of the same image."""
    batch, device = len(scene.both), scene.both.device
    target, source = draw((batch, TRIES), scene.size, device)
    at, of = target.cover(scene.size), source.cover(scene.size)
    if quirks:
        objects = scene.objects[torch.arange(TRIES, device=device) % batch][None]
    else:
        objects = scene.objects[:, None]
    valid = ~_touches(at, objects) & ~_touches(of, objects) & ~(at & of).flatten(2).any(2)
    found, index = _first(valid)
    active = found & (torch.rand(batch, device=device) < probability)
    target, source = target.pick(index), source.pick(index)
    content = scene.shifted(source.top - target.top, source.left - target.left)
    return scene.put(target.cover(scene.size) & active[:, None, None], content)


def swap_background(scene: Scene, probability: float) -> Scene:
    """Partners exchange a rectangle that touches no object in either."""
    batch, device = len(scene.both), scene.both.device
    areas = draw((batch // 2, TRIES), scene.size, device)[0]
    objects = scene.objects[: batch // 2 * 2].reshape(batch // 2, 2, *scene.size)
    found, index = _first(~_touches(areas.cover(scene.size)[:, None], objects[:, :, None]).any(1))
    active = found & (torch.rand(batch // 2, device=device) < probability)
    where = areas.pick(index).cover(scene.size) & active[:, None, None]
    return scene.put(per_pair(where, batch), scene.both[partners(batch, device)])


def paste_object(scene: Scene, probability: float) -> Scene:
    """An object of the first of two partners is pasted into the second, where it covers none of its objects."""
    batch, device = len(scene.both), scene.both.device
    pairs = batch // 2
    kinds = scene.masks.shape[1] - 1
    chosen = torch.randint(kinds, (pairs,), device=device) + 1
    active = torch.rand(pairs, device=device) < probability
    regions = scene.masks[: 2 * pairs : 2][torch.arange(pairs, device=device), chosen] > INSIDE
    free = ~_touches(regions, scene.objects[1 : 2 * pairs : 2])
    where = regions & (free & active)[:, None, None]
    receives = torch.arange(batch, device=device)[:, None, None] % 2 == 1
    return scene.put(per_pair(where, batch) & receives, scene.both[partners(batch, device)])


def move_objects(scene: Scene, probability: float, *, first_only: bool) -> Scene:
    """A random number of objects, one after another, appear at a free place, or leave theirs to what lies there."""
    batch, device = len(scene.both), scene.both.device
    kinds = scene.masks.shape[1] - 1
    order = torch.rand(batch, kinds, device=device).argsort(1) + 1
    count = torch.randint(1, kinds + 1, (batch,), device=device)
    moves = torch.arange(batch, device=device) < (1 if first_only else batch)
    for turn in range(kinds):
        scene = _move(scene, order[:, turn], moves & (turn < count), probability)
    return scene


def _move(scene: Scene, chosen: Tensor, active: Tensor, probability: float) -> Scene:
    batch, device = len(scene.both), scene.both.device
    samples = torch.arange(batch, device=device)
    regions = scene.masks[samples, chosen] > INSIDE
    old = bounds(regions)
    down, right = _translations(old, scene.size)
    moved = _shifted(regions[:, None], -down, -right)
    found, index = _first(~_touches(moved, scene.objects[:, None]))
    active = active & found & regions.flatten(1).any(1)
    down, right = (steps.gather(1, index[:, None])[:, 0] for steps in (down, right))
    doubles, removes = torch.rand(2, batch, device=device) < probability
    place = moved[samples, index] & (active & doubles)[:, None, None]
    scene = scene.put(place, scene.shifted(-down, -right))
    left = old.cover(scene.size) & (active & removes)[:, None, None]
    return scene.put(left, scene.shifted(down, right))


def _translations(old: Rectangles, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(B, TRIES) steps down and right that leave each box inside the grid, uniform."""
    steps = []
    for side, start, end in ((size[0], old.top, old.bottom), (size[1], old.left, old.right)):
        room = side - (end - start) + 1
        place = (torch.rand(len(start), TRIES, device=start.device) * room[:, None]).long()
        steps.append(place.minimum(room[:, None] - 1) - start[:, None])
    return steps[0], steps[1]


def _shifted(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Maps (B, C, h, w) with steps (B,), or (B, 1, h, w) with (B, T): what lies `rows` below, `columns` right."""
    height, width = maps.shape[-2:]
    row = (torch.arange(height, device=maps.device) + rows[..., None]) % height
    column = (torch.arange(width, device=maps.device) + columns[..., None]) % width
    index = (row[..., :, None] * width + column[..., None, :]).flatten(-2)
    index = index[:, None] if index.dim() == 2 else index
    count = max(maps.shape[1], index.shape[1])
    index = index.expand(-1, count, -1)
    return maps.flatten(2).expand(-1, count, -1).gather(2, index).view(-1, count, height, width)


def _touches(regions: Tensor, objects: Tensor) -> Tensor:
    """(...,) bool: whether objects (..., h, w) take more than a trace of regions (..., h, w)."""
    return (regions * objects).flatten(-2).sum(-1) >= TOUCH


def _first(valid: Tensor) -> tuple[Tensor, Tensor]:
    """Of tries (B, T): whether any is valid, and the first that is."""
    return valid.any(1), valid.int().argmax(1)
