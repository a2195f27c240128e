"""Memory on its way through a video: which frames a query reads (arXiv 1904.00607, section 3.2 and 4)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from plugins.stm.network import Entry, Network, joined


class Bank:
    """What stays, the frame before, and every few frames one that stays as well."""

    def __init__(self, network: Network, lasting: Sequence[Entry], *, every: int, frames: int) -> None:
        """`lasting` is of the supports; of later ones that stay at most `frames` do, and the oldest leaves first."""
        self._network, self._lasting, self._every, self._frames = network, list(lasting), every, frames
        self.kept: dict[int, Entry] = {}
        """Number of each frame that stays, the support being 0, and its memory."""
        self._number = 0
        self._before: tuple[Tensor, Tensor] | None = None

    def segment(self, images: Tensor) -> Tensor:
        """The next frame (1, 3, H, W) of 0 to 255 -> probabilities (1, 1 + O, H, W) that sum to 1."""
        read = [*self._lasting, *self.kept.values()]
        if self._before is not None:
            entry = self._network.memorize(*self._before)
            read.append(entry)
            if self._number % self._every == 0:
                self._keep(entry)
        found = self._network.segment(images, joined(read)).softmax(1)
        self._number += 1
        self._before = (images, found[:, 1:])
        return found

    def _keep(self, entry: Entry) -> None:
        self.kept[self._number] = entry
        while len(self.kept) > self._frames:
            self.kept.pop(min(self.kept))


def numbered(mask: Tensor, shown: Sequence[int]) -> Tensor:
    """Index masks whose object `shown[i]` becomes i + 1 and whose every other value becomes background."""
    table = torch.zeros(256, dtype=torch.uint8, device=mask.device)
    table[list(shown)] = torch.arange(1, len(shown) + 1, dtype=torch.uint8, device=mask.device)
    return table[mask.long()]
