"""Which frames support a task: the given ones, synthetic pairs, copies under standard augmentation."""

from dataclasses import replace
from typing import Literal

import torch

from pipeline.layers.repri.cells import pictured
from pipeline.layers.standard import augmented
from pipeline.layers.vgg import MEAN
from pipeline.seeds import derive
from pipeline.segmenter import VOID, Frame, Supports
from pipeline.table import fitted, longer

Both = Literal["warped", "added"]
"""What is made where both augmentations are asked for: each synthetic pair under a draw of its own, or the synthetic
pairs as they are and, beside them, copies of the support under draws."""


def extended(supports: Supports, *, copies: int, both: Both) -> list[Frame]:
    """The frames that an episode's classifier learns from, true supports first.

    Under standard augmentation alone there are `copies` draws of the first support. Synthetic pairs are fitted to its
    frame as the protocol fits images. Draws are one function of `supports.seed` and the names of the frames.
    """
    first = supports.frames[0]
    made = [_fitted(frame, max(first.images.shape[-2:])) for frame in supports.extra]
    if supports.standard and made and both == "warped":
        made = [_drawn(frame, supports.seed, 0) for frame in made]
    elif supports.standard:
        made += [_drawn(first, supports.seed, number) for number in range(copies)]
    return [*supports.frames, *made]


def added(supports: Supports, *, copies: int, both: Both) -> int:
    """How many frames `extended` makes beside the true supports."""
    drawn = supports.standard and not (supports.extra and both == "warped")
    return len(supports.extra) + copies * drawn


def _fitted(frame: Frame, side: int) -> Frame:
    masks = frame.masks
    assert masks is not None
    pairs = [fitted(image, mask, longer(side)) for image, mask in zip(frame.images, masks, strict=True)]
    images, labels = (torch.stack(each) for each in zip(*pairs, strict=True))
    return replace(frame, images=images, masks=labels)


def _drawn(frame: Frame, seed: int, number: int) -> Frame:
    """Draw `number` of every image, within what padding leaves of the frame; what it uncovers is void."""
    images, masks, names = frame.images.clone(), frame.masks, list[str]()
    assert masks is not None
    masks = masks.clone()
    for b, (height, width) in enumerate(pictured(frame.images).tolist()):
        name = frame.ids[b] if frame.ids else str(b)
        generator = torch.Generator().manual_seed(derive(seed, "augment", name, number))
        part = images[b : b + 1, :, :height, :width], masks[b : b + 1, :height, :width]
        border = [255 * value for value in MEAN]
        images[b, :, :height, :width], masks[b, :height, :width] = (
            found[0] for found in augmented(*part, generator, border=border, outside=VOID)
        )
        names.append(f"{name}/standard/{seed}/{number}")
    return replace(frame, images=images, masks=masks, ids=tuple(names) if frame.ids else (), origin="standard")
