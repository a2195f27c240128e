"""Separating a query's characters."""

import torch

from pipeline.layers.instances import colour_instances
from plugins.template_matching.candidates import separate, shrink


def test_visible_parts_lie_around_their_centres_of_mass():
    instances = torch.zeros(20, 30, dtype=torch.int64)
    instances[2:5, 10:13] = 7
    instances[19, 0:3] = 3
    found = separate(instances, 8)
    assert found.names.tolist() == [3, 7]
    assert found.areas.tolist() == [3, 9]
    assert found.crops[0, 4, 3:6].tolist() == [1, 1, 1]
    assert found.crops[1, 3:6, 3:6].sum() == 9


def test_what_is_hidden_is_no_candidate():
    assert separate(torch.tensor([[0, 1], [3, 3]]), 4).names.tolist() == [1, 3]
    assert len(separate(torch.zeros(4, 4, dtype=torch.int64), 4)) == 0


def test_a_part_outside_the_square_does_not_count():
    ring = torch.ones(9, 9, dtype=torch.int64)
    ring[1:8, 1:8] = 0
    assert len(separate(ring, 4)) == 0
    line = torch.ones(1, 9, dtype=torch.int64)
    assert separate(line, 4).areas.tolist() == [4]


def test_colours_are_instances():
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[0, 0], image[1, 2, 3:5] = 9, 9
    instances = colour_instances(image)
    assert (instances > 0).sum() == 10
    assert len(instances[0].unique()) == 1
    assert instances[0, 0] != instances[2, 3]


def test_a_photo_is_one_instance():
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    image[0, :20], image[1, :20] = torch.arange(1, 41), torch.arange(20)[:, None]
    assert colour_instances(image).unique().tolist() == [0, 1]


def test_shrinking_reads_pixel_centres():
    assert shrink(torch.arange(9).view(1, 9), 1 / 3).tolist() == [[1, 4, 7]]
    assert shrink(torch.arange(4).view(2, 2), 1.0).tolist() == [[0, 1], [2, 3]]
    assert shrink(torch.ones(3, 3), 0.1).shape == (1, 1)
