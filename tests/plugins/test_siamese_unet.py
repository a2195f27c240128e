"""The Siamese U-Net against its specification: counts, invariances, the formula written plainly, and learning."""

import pytest
import torch
import torch.nn.functional as F
from toys import random_batch

from plugins.siamese_unet.model import PixelCrossEntropy, build

SMALL = {"features": 2, "samples": 100, "batch": 10}


def small(**changes):
    torch.manual_seed(0)
    return build(**(SMALL | changes)).eval()


def test_parameter_counts():
    network = build()
    parts = [sum(p.numel() for p in part.parameters()) for part in (network.target, network.scene, network.decoder)]
    assert parts == [984_096, 984_096, 1_255_730]
    assert sum(p.numel() for p in network.parameters()) == 3_223_922


def test_tied_encoders_share_their_weights():
    assert sum(p.numel() for p in build(tied=True).parameters()) == 984_096 + 1_255_730


@pytest.mark.parametrize("changes", [{}, {"matching": "cosine"}, {"decoder_kernels": "paper"}, {"logit_norm": False}])
def test_shapes_of_every_reading(changes):
    logits = small(**changes)(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 96, 96))
    assert logits.shape == (2, 2, 96, 96)


@torch.no_grad()
def test_output_is_unchanged_under_positive_input_scaling():
    network = small()
    targets, scenes = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 96, 96)
    torch.testing.assert_close(network(targets, scenes), network(targets * 255, scenes * 255), atol=2e-3, rtol=1e-3)


@torch.no_grad()
def test_logits_have_mean_zero_and_variance_one_before_the_shift():
    logits = small()(torch.rand(3, 3, 32, 32), torch.rand(3, 3, 96, 96))
    torch.testing.assert_close(logits.mean((1, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits.var((1, 2, 3), correction=0), torch.ones(3), atol=1e-3, rtol=0)


@torch.no_grad()
def test_matching_is_the_inner_product_times_the_target():
    network = small()
    targets, scenes = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 96, 96)
    t, skips = network.embed(targets)[0], network.scene(scenes)
    matched = torch.zeros(1, 32, 12, 12)
    for y in range(12):
        for x in range(12):
            matched[0, :, y, x] = sum(skips[-1][0, :, y, x] * t) * t
    matched = (matched - matched.mean()) / matched.std(correction=0)
    torch.testing.assert_close(network.decoder(matched, skips), network(targets, scenes), atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_channels_last_changes_nothing():
    network = small()
    targets, scenes = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 96, 96)
    wanted = network(targets, scenes)
    found = network.to(memory_format=torch.channels_last)(targets, scenes.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_the_loss_is_unweighted_cross_entropy_over_all_pixels():
    network = small()
    batch = random_batch(supports=[(32, 32)], queries=[(96, 96)])
    (support,), (query,) = batch.supports.frames, batch.queries
    logits = network(support.images / 255, query.images / 255)
    plain = -F.log_softmax(logits, 1).gather(1, query.masks.long()[:, None]).mean()
    torch.testing.assert_close(PixelCrossEntropy(network)(batch)["loss"], plain)


def test_the_first_loss_is_that_of_the_specification():
    # Two unit-variance maps give about 0.8 before training (specification 7.1: 0.798 on scenes of four).
    torch.manual_seed(0)
    network = build(features=12)
    batch = random_batch(supports=[(32, 32)], queries=[(96, 96)], batch=4)
    assert 0.4 < PixelCrossEntropy(network)(batch)["loss"].item() < 1.3


@pytest.mark.slow
def test_overfits_eight_scenes():
    # Specification 7.1 and 8, test 12: IoU above 0.7 after 300 steps at full width; a third of the width here.
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = build(features=8, samples=8 * 300, batch=8, epochs=1, learning_rate=2e-3)
    batch = random_batch(supports=[(32, 32)], queries=[(96, 96)], batch=8, seed=1)
    (stage,) = network.stages
    stage.setup(torch.device("cpu"), torch.float32)
    for n in range(300):
        metrics = stage.step([batch], 8 * n)
        if metrics["iou"] > 0.7:
            break
    assert metrics["iou"] > 0.7
