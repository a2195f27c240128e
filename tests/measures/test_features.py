"""What stands in for InceptionV3: four taps each, of known channels; and which network is chosen."""

import pytest
import torch

from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.measures.features import RandomTaps, best_of, feature_net


@torch.no_grad()
def test_squeezenet_is_tapped_before_each_pooling_and_at_its_end():
    torch.manual_seed(0)
    network, images = SqueezeNet(), torch.rand(2, 3, 63, 80)
    net = feature_net(dict(network.features.named_parameters()), "squeezenet1_1")
    taps, fires = net.taps(images), network.maps(prepared(images * 255))
    assert [t.shape[1] for t in taps] == [64, 128, 256, 512]
    for found, wanted in zip(taps[1:], (fires[1], fires[3], fires[7]), strict=True):
        torch.testing.assert_close(found * 255, wanted)


def test_the_random_network_is_the_same_whatever_was_drawn_before():
    torch.manual_seed(5)
    one = feature_net(None, "random")
    torch.manual_seed(6)
    other = feature_net(None, "random")
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    # -1.1258 is the first number that torch draws from seed 0; 27 weights lead to a channel.
    assert one.layers[0].weight.flatten()[0].item() == pytest.approx(-1.1258 * (2 / 27) ** 0.5, abs=1e-4)


def test_the_random_network_sees_the_smallest_images_in_more_than_a_cell():
    taps = feature_net(None, "random").taps(torch.zeros(1, 3, RandomTaps.smallest, RandomTaps.smallest))
    assert [tuple(t.shape[1:]) for t in taps] == [(16, 16, 16), (32, 8, 8), (48, 4, 4), (64, 2, 2)]


def test_the_published_network_comes_first():
    every = {"squeezenet1_1": {}, "inception_v3": {}, "alexnet": {}}
    assert [best_of(n) for n in (every, {"squeezenet1_1": {}}, {})] == ["inception_v3", "squeezenet1_1", "random"]
