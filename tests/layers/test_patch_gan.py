"""The multi-scale PatchGAN: shapes, widths, and that features match where images are equal."""

import torch

from pipeline.layers.patch_gan import PatchGan, feature_matching, judged


def test_shapes_of_three_scales_at_full_width():
    with torch.no_grad():
        found = PatchGan(5)(torch.zeros(2, 3, 64, 96), torch.zeros(2, 2, 64, 96))
    assert [tuple(features.shape[1:]) for features in found[0]] == [
        (64, 33, 49),
        (128, 17, 25),
        (256, 18, 26),
        (1, 19, 27),
    ]
    assert [tuple(logits.shape) for logits in judged(found)] == [(2, 1, 19, 27), (2, 1, 11, 15), (2, 1, 7, 9)]


def test_feature_matching_is_zero_on_the_same_pair_and_leaves_the_real_one_alone():
    torch.manual_seed(0)
    network = PatchGan(5, width=4).eval()
    images, masks = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 2, 32, 32)
    found, other = network(images, masks), network(images.detach() + 0.1, masks)
    assert feature_matching(found, found).item() == 0
    assert feature_matching(found, other).item() > 0
    (gradient,) = torch.autograd.grad(feature_matching(other, found), images, allow_unused=True)
    assert gradient is None
