"""The worst episode: the lowest IoU, then the largest object, whatever the order."""

from dataclasses import replace

import torch
from toys import random_batch

from pipeline.evaluate.worst import Worst
from pipeline.segmenter import Prediction


def batch(pixels):
    """Episodes whose queries show an object of so many pixels."""
    drawn = random_batch(supports=[(16, 12)], queries=[(8, 8)], objects=1)
    truth = torch.zeros(len(pixels), 8, 8, dtype=torch.uint8)
    for row, count in enumerate(pixels):
        truth[row].view(-1)[:count] = 1
    whole = drawn.part(slice(0, 1))
    many = [replace(frame, images=frame.images.expand(len(pixels), -1, -1, -1)) for frame in whole.queries]
    supports = tuple(
        replace(f, images=f.images.expand(len(pixels), -1, -1, -1), masks=f.masks.expand(len(pixels), -1, -1))
        for f in whole.supports.frames
    )
    return replace(whole, supports=replace(whole.supports, frames=supports), queries=(replace(many[0], masks=truth),))


def answers(pixels):
    found = torch.zeros(len(pixels), 1, 8, 8)
    for row, count in enumerate(pixels):
        found[row, 0].view(-1)[:count] = 1
    return Prediction(found)


def test_the_lowest_iou_is_kept_with_all_its_pictures():
    worst = Worst()
    worst.add([3, 7], batch([4, 4]), answers([4, 2]))
    worst.add([1], batch([4]), answers([3]))
    assert {name.split("/")[0] for name in worst.arrays} == {"7"}
    assert {name: array.shape for name, array in worst.arrays.items()} == {
        "7/support0": (16, 12, 3),
        "7/mask0": (16, 12),
        "7/query0": (8, 8, 3),
        "7/truth0": (8, 8),
        "7/prediction0": (1, 8, 8),
    }


def test_among_equals_the_largest_object_counts_most():
    worst = Worst()
    for number, pixels in ((0, 5), (1, 9), (2, 6), (3, 9)):
        worst.add([number], batch([pixels]), answers([0]))
    assert {name.split("/")[0] for name in worst.arrays} == {"1"}
