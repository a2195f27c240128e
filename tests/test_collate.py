"""From stored arrays to batches: labels and packed bits make the same masks."""

import numpy as np
import torch

from pipeline.collate import Collation
from pipeline.episodes import Arrays, pack_masks


def test_labels_and_packed_masks_make_one_batch() -> None:
    random = np.random.default_rng(0)
    labels, targets = random.integers(0, 4, (5, 1, 6, 7), np.uint8), random.integers(1, 4, (5, 1), np.uint8)
    shown: Arrays = {
        "support_images": random.integers(0, 256, (5, 1, 4, 4, 3), np.uint8),
        "support_masks": pack_masks(np.ones((5, 1, 4, 4), np.uint8)),
        "query_images": random.integers(0, 256, (5, 1, 6, 7, 3), np.uint8),
    }
    labelled = shown | {"query_labels": labels, "query_targets": targets}
    packed = shown | {"query_masks": pack_masks((labels == targets[..., None, None]).astype(np.uint8))}
    collation = Collation({"objects": 1}, torch.device("cpu"))
    one, other = (collation.finish(collation.prepare(arrays)) for arrays in (labelled, packed))
    for found, wanted in zip(
        (*one.supports.frames, *one.queries), (*other.supports.frames, *other.queries), strict=True
    ):
        assert torch.equal(found.images, wanted.images)
        assert found.masks is not None
        assert wanted.masks is not None
        assert found.masks.dtype == wanted.masks.dtype == torch.uint8
        assert torch.equal(found.masks, wanted.masks)
