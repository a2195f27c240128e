"""Instance maps: visible parts of several scenes at once, and colours in their place."""

import torch
from toys import random_batch

from pipeline.layers.instances import instances_of, visible_parts


def test_parts_are_listed_scene_by_scene_with_their_centres():
    instances = torch.zeros(2, 8, 8, dtype=torch.int64)
    instances[0, 2:4, 4:6] = 7
    instances[0, 0, 0] = 3
    instances[1, 6, 1] = 7
    parts = visible_parts(instances)
    assert parts.rows.tolist() == [0, 0, 1]
    assert parts.names.tolist() == [3, 7, 7]
    assert parts.centres.tolist() == [[0, 0], [4.5, 2.5], [1, 6]]


def test_without_an_oracle_colours_tell_characters_apart():
    (query,) = random_batch(supports=[(32, 32)], queries=[(40, 40)], objects=2).queries
    instances = instances_of(query)
    for b in range(2):
        shown = query.masks[b] == 2
        assert len(instances[b][shown].unique()) == 1
