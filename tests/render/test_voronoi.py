"""Exact Voronoi cells, against the plain distances of every pixel."""

import numpy as np
import pytest

from pipeline.render.jit import compiled
from pipeline.render.voronoi import Anchors, Spans, reciprocals, row_cells, sort_anchors
from tests.render import plain_collage

AREAS = {2: (0.186, 0.081, 0.50), 5: (0.102, 0.030, 0.186), 10: (0.056, 0.0145, 0.092), 20: (0.028, 0.0075, 0.045)}
"""N -> standard deviation, 1st percentile and median of a region's share of the image."""


@compiled
def label_map(x, y, width, height):
    """Which of the N <= 255 points is nearest, (height, width); points of equal coordinates leave empty regions."""
    size = len(x)
    anchors = Anchors(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64))
    spans = Spans(np.empty(size, np.int64), np.empty(size, np.int64))
    over, labels = reciprocals(width), np.empty((height, width), np.uint8)
    count = sort_anchors(x, y, anchors)
    for row in range(height):
        cells = row_cells(anchors, count, row, width, over, spans)
        for c in range(cells):
            stop = spans.start[c + 1] if c + 1 < cells else width
            labels[row, spans.start[c] : stop] = anchors.region[spans.anchor[c]]
    return labels


@pytest.mark.parametrize("side", [8, 24, 64])
def test_labels_are_the_nearest_anchors_and_ties_go_to_the_lowest_index(side: int) -> None:
    random = np.random.default_rng(side)
    for _ in range(100):
        x, y = random.integers(0, side, (2, random.integers(1, 21)))
        masks = plain_collage.masks(x, y, side, side)
        assert np.array_equal(masks.sum(axis=0), np.ones((side, side)))
        assert np.array_equal(label_map(x, y, side, side), masks.argmax(axis=0))


def test_of_two_anchors_in_one_place_the_second_has_no_region() -> None:
    labels = label_map(np.array([3, 3, 6]), np.array([2, 2, 2]), 8, 8)
    assert sorted(np.unique(labels)) == [0, 2]


@pytest.mark.parametrize("regions", AREAS)
def test_areas_are_those_of_the_specification(regions: int) -> None:
    random = np.random.default_rng(regions)
    found = [label_map(*random.integers(0, 256, (2, regions)), 256, 256) for _ in range(400)]
    areas = np.stack([np.bincount(labels.ravel(), minlength=regions) for labels in found]) / 256**2
    deviation, least, median = AREAS[regions]
    assert areas.mean() == pytest.approx(1 / regions)
    assert areas.std() == pytest.approx(deviation, rel=0.08)
    assert np.percentile(areas, 1) == pytest.approx(least, rel=0.3)
    assert np.median(areas) == pytest.approx(median, rel=0.07)
