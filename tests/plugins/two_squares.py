"""Episodes that only their support decides: two squares in every picture, one striped across and one along."""

import torch
from torch import Tensor

from pipeline.segmenter import Batch, Frame, Supports

SIDE, SQUARE = 48, 20


def episode(wanted: int, seed: int) -> Batch:
    """One support and one query; the object is the square with horizontal (0) or vertical (1) stripes."""
    generator = torch.Generator().manual_seed(seed)
    images, masks = zip(*(_picture(wanted, generator) for _ in range(2)), strict=True)
    support, query = (Frame(images[k], masks[k], (f"{seed}/{k}",)) for k in range(2))
    return Batch(Supports((support,), 1), (query,))


def _picture(wanted: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(1, 3, 48, 48) and (1, 48, 48) uint8: the squares left and right in random order, their colours random."""
    image = torch.randint(60, 120, (1, 3, SIDE, SIDE), generator=generator).float()
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    for place, stripes in enumerate(torch.randperm(2, generator=generator).tolist()):
        top = int(torch.randint(SIDE - SQUARE, (), generator=generator))
        part = (0, slice(top, top + SQUARE), slice(24 * place + 2, 24 * place + 2 + SQUARE))
        dark = (torch.arange(SQUARE) // 3 % 2).float().expand(SQUARE, SQUARE)
        colour = torch.randint(60, 250, (3, 1, 1), generator=generator)
        image[(0, slice(None), *part[1:])] = colour * (1 - 0.7 * (dark if stripes else dark.T))
        if stripes == wanted:
            mask[part] = 1
    return image.to(torch.uint8), mask
