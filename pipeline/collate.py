"""From a store's arrays to the tensors a segmenter sees. Bytes travel; bits are unpacked on the device."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.episodes import Arrays, with_masks
from pipeline.segmenter import Batch, Frame, Supports
from pipeline.table import TableReader


class Collation:
    """From rows of a split to batches on the device, in two steps: the first may run ahead in a thread of its own."""

    def __init__(self, attributes: Mapping[str, Any], device: torch.device, *, image_cache: int = 0) -> None:
        """Of a split with these `attributes`; `image_cache` bytes of decoded images are kept where they recur."""
        self._attributes, self._device = attributes, device
        self.table = TableReader(attributes, limit=image_cache) if "gallery" in attributes else None

    def prepare(self, arrays: Arrays) -> Batch | dict[str, Tensor]:
        """What needs the CPU: reading and decoding images, or deriving masks from labels and pinning memory."""
        return self.table.batch(arrays) if self.table else pinned(with_masks(arrays), self._device)

    def finish(self, prepared: Batch | dict[str, Tensor], ids: Sequence[str] = ()) -> Batch:
        """The batch on the device; `ids` name episodes whose frames have no names of their own."""
        if isinstance(prepared, Batch):
            return prepared.to(self._device)
        return collate(to_device(prepared, self._device), self._attributes, ids)


def pinned(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, Tensor]:
    """Arrays of B episodes as tensors in memory that a GPU can read by itself, where `device` is one."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    return {name: t.pin_memory() for name, t in tensors.items()} if device.type == "cuda" else tensors


def to_device(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The same tensors on `device`, without waiting."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}


def unpack(bits: Tensor, height: int, width: int) -> Tensor:
    """Bits (..., ceil(H*W/8)) uint8, most significant first -> masks (..., H, W) uint8, on the bits' device."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    flat = bits.unsqueeze(-1).bitwise_right_shift(shifts).bitwise_and_(1).flatten(-2)
    return flat[..., : height * width].reshape(*bits.shape[:-1], height, width)


def collate(tensors: Mapping[str, Tensor], attributes: Mapping[str, Any], ids: Sequence[str] = ()) -> Batch:
    """One batch from a store's tensors: `support_images` (B, K, h, w, 3) and so on, as pipeline.episodes lays out.

    `oracle_<field>` (B, Q, ...) become the queries' oracle data.
    """
    supports = _frames(tensors["support_images"], tensors["support_masks"], [f"{name}/support" for name in ids])
    queries = _frames(tensors["query_images"], tensors["query_masks"], [f"{name}/query" for name in ids])
    prefix = "oracle_"
    oracle = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    queries = tuple(
        replace(query, oracle={name: value[:, q].long() for name, value in oracle.items()})
        for q, query in enumerate(queries)
    )
    return Batch(Supports(supports, int(attributes["objects"]), int(attributes.get("ways", 1))), queries)


def _frames(images: Tensor, masks: Tensor, ids: Sequence[str]) -> tuple[Frame, ...]:
    height, width = images.shape[2:4]
    if masks.dim() == 3:  # packed
        masks = unpack(masks, height, width)
    return tuple(
        Frame(images[:, k].permute(0, 3, 1, 2), masks[:, k], tuple(f"{name}{k}" for name in ids))
        for k in range(images.shape[1])
    )
