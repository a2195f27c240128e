"""RePRI: parameters, PSPNet's shapes, base training, weights, and the way from COCO-20i's tasks to the metric."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import random_batch

from pipeline.errors import UserError
from pipeline.evaluate.score import Scorer
from pipeline.layers.resnet import ResNet
from pipeline.report.pooled import class_iou
from pipeline.segmenter import Batch, Frame, Prediction, Supports
from plugins.frozen_repri import model as frozen
from plugins.repri.model import build
from plugins.repri.training import PixelLoss, cosine, flipped

SMALL = {"width": 16, "blocks": [1, 1, 1, 1], "samples": 16, "batch": 4}


def small(**changes):
    torch.manual_seed(0)
    return build(**SMALL | changes)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_of_61_classes():
    assert count(build()) == 46_736_893
    assert count(build(deep_stem=False)) == 46_613_117
    assert count(frozen.build()) == 722_496


@torch.no_grad()
@pytest.mark.parametrize("deep", [True, False])
def test_a_map_has_53_cells_a_side_of_417_pixels(deep):
    resnet = ResNet(width=16, blocks=[1, 1, 1, 1], deep_stem=deep).eval()
    maps = resnet.maps(torch.zeros(1, 3, 417, 417))
    assert [m.shape[-1] for m in maps] == [105, 53, 53, 53]
    assert maps[-1].shape[1] == resnet.outputs == 128
    strided = ResNet(width=16, blocks=[1, 1, 1, 1], dilations=(1, 1, 1, 1)).eval()
    assert [m.shape[-1] for m in strided.maps(torch.zeros(1, 3, 417, 417))] == [105, 53, 27, 14]


@torch.no_grad()
def test_without_dilation_it_is_torchvision_s_resnet_50():
    from torchvision.models import resnet50  # here: it takes a second

    theirs = resnet50(weights=None).eval()
    ours = ResNet(deep_stem=False, dilations=(1, 1, 1, 1)).eval()
    ours.load_published(theirs.state_dict())
    pictures = torch.randn(1, 3, 64, 48)
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(pictures))))
    for number, own in enumerate(ours.maps(pictures), start=1):
        x = theirs.get_submodule(f"layer{number}")(x)
        torch.testing.assert_close(own, x)


@torch.no_grad()
def test_features_are_the_bottleneck_s_and_logits_lie_corner_to_corner():
    network = small().embedder.eval()
    images = torch.randint(0, 256, (2, 3, 65, 65), dtype=torch.uint8)
    features = network(images)
    assert features.shape == (2, 32, 9, 9)
    assert features.min() == 0
    wanted = F.interpolate(network.classifier(features), (65, 65), mode="bilinear", align_corners=True)
    torch.testing.assert_close(network.logits(images), wanted)
    assert wanted.shape[1] == 61


@torch.no_grad()
def test_imagenet_s_weights_are_taken_up_whole_or_not_at_all():
    published = ResNet(blocks=[1, 1, 1, 1]).state_dict() | {"fc.weight": torch.zeros(1000, 2048)}
    network = build(blocks=[1, 1, 1, 1], weights={"trunk": published})
    assert network.trunk == "pretrained"
    assert torch.equal(
        network.embedder.resnet.state_dict()["layer3.0.conv2.weight"], published["layer3.0.conv2.weight"]
    )
    fresh = build(blocks=[1, 1, 1, 1])
    fresh.load_weights(network.weights())
    assert fresh.trunk == "pretrained"
    with pytest.raises(UserError, match=r"hold no conv1.weight of shape \(64, 3, 7, 7\)"):
        build(blocks=[1, 1, 1, 1], deep_stem=False, weights={"trunk": published})


def base_batch(classes=3):
    """Black images whose right half is of class 1 and white, with padding and a void patch."""
    images = torch.full((4, 3, 33, 33), 40, dtype=torch.uint8)
    masks = torch.zeros(4, 33, 33, dtype=torch.uint8)
    images[:, :, :, 16:], masks[:, :, 16:] = 220, 1
    images[:, :, 24:], masks[:, 24:] = 0, 255
    masks[:, :4, :4] = 255
    return Batch(Supports((), classes), (Frame(images, masks),))


def test_the_loss_is_label_smoothing_over_pixels_that_are_not_void():
    network, batch = small().embedder.eval(), base_batch()
    loss = PixelLoss(network, smoothing=0.1, flip=False)(batch)["loss"]
    query = batch.queries[0]
    log = network.logits(query.images).log_softmax(1)
    each = -(0.9 * log.gather(1, query.masks.clamp(max=60).long()[:, None])[:, 0] + 0.1 * log.mean(1))
    torch.testing.assert_close(loss, each[query.masks != 255].mean(), atol=1e-5, rtol=1e-5)


def test_base_training_lowers_the_loss():
    segmenter = small(samples=64, learning_rate=0.02)
    (stage,) = segmenter.stages
    stage.setup(torch.device("cpu"), torch.float32)
    losses = [float(stage.step([base_batch()], done)["loss"]) for done in range(0, 64, 4)]
    assert losses[-1] < 0.7 * losses[0]


def test_flips_leave_the_padding_where_it_is():
    images = torch.randint(1, 256, (64, 3, 9, 9), dtype=torch.uint8)
    masks = images[:, 0] // 2
    images[:, :, 6:], masks[:, 6:], images[:, :, :, 8:], masks[:, :, 8:] = 0, 255, 0, 255
    torch.manual_seed(0)
    found, labels = flipped(images, masks)
    kinds = set()
    for before, after, mask, label in zip(images, found, masks, labels, strict=True):
        for kind, axes in enumerate([(), (1,), (2,), (1, 2)]):
            if torch.equal(after[:, :6, :8], before[:, :6, :8].flip(axes)):
                assert torch.equal(label[:6, :8], mask[:6, :8].flip([axis - 1 for axis in axes]))
                kinds.add(kind)
        assert (after[:, 6:] == 0).all()
        assert (label[:, 8:] == 255).all()
    assert kinds == {0, 1, 2, 3}


def test_the_rate_falls_along_half_a_cosine():
    rates = [2.5e-3 * cosine(2.5e-3, 1e-6, seen) for seen in (0, 0.5, 1)]
    assert rates == pytest.approx([2.5e-3, (2.5e-3 + 1e-6) / 2, 1e-6])


def test_a_class_s_iou_is_of_its_foreground_pooled_over_tasks():
    """Two tasks of class 5, one of class 9, counted by hand; void is left out."""
    scorer = Scorer({"overlap": {"thresholds": [0.5]}}, "repri")
    tasks = [(5, [1, 1, 0, 0], [1, 0, 0, 255]), (5, [0, 0, 1, 1], [1, 1, 1, 1]), (9, [1, 1, 1, 1], [1, 0, 0, 0])]
    for number, (cls, found, true) in enumerate(tasks):
        prediction = Prediction(probabilities=torch.tensor(found).float().view(1, 1, 2, 2))
        truth = torch.tensor(true, dtype=torch.uint8).view(1, 2, 2)
        scorer.add([number], 0, prediction, truth, 1, torch.tensor([[cls]]))
    columns = {name: np.array(values) for name, values in scorer.columns["overlap"].items()}
    assert class_iou(columns, threshold=0.5).value == pytest.approx((3 / 6 + 1 / 4) / 2)


@torch.no_grad()
def test_several_objects_are_so_many_tasks():
    network = small().eval()
    batch = random_batch(supports=[(48, 48)], queries=[(40, 56)], objects=3, batch=1)
    (found,) = network.predict(network.adapt(batch.supports), batch.queries)
    (support,) = batch.supports.frames
    for number in range(1, 4):
        alone = Frame(support.images, (support.masks == number).to(torch.uint8), ("other",))
        (one,) = network.predict(network.adapt(Supports((alone,), 1)), batch.queries)
        torch.testing.assert_close(found.probabilities[:, number - 1], one.probabilities[:, 0], atol=1e-4, rtol=1e-4)
