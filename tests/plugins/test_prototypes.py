"""Prototypes: parameters, means and cosines written plainly, the alignment loss, frozen features on real photographs."""

import math
import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePath

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from toys import random_batch

from pipeline.download.job import read_sources
from pipeline.errors import UserError
from pipeline.layers.embedders import embedder
from pipeline.layers.prototypes import enlarged
from pipeline.layers.two_way import pixel_loss
from pipeline.memory import Memory
from pipeline.pretrained import read_keras
from pipeline.segmenter import Frame, Supports
from plugins.frozen_prototypes import model as frozen
from plugins.prototypes.model import build
from plugins.prototypes.training import alignment_loss

CPU = torch.device("cpu")
PASCAL = {"supports": [(40, 56), (64, 48)], "queries": [(50, 60)], "void": True, "batch": 1}


def small(**changes):
    torch.manual_seed(0)
    return build(**{"width": 8, "side": 48, "samples": 30, "learning_rate": 0.01} | changes)


def episode(**changes):
    return random_batch(**PASCAL | changes)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("backbone", "parameters"), [("vgg16", 14_714_688), ("squeezenet", 722_496)])
def test_there_are_no_parameters_beside_the_backbones(backbone, parameters):
    assert count(build(backbone=backbone)) == count(frozen.build(backbone=backbone)) == parameters


@pytest.mark.parametrize(("backbone", "shape"), [("vgg16", (64, 53, 53)), ("squeezenet", (64, 27, 27))])
@torch.no_grad()
def test_features_of_417_pixels(backbone, shape):
    with torch.device("meta"):
        network = embedder(backbone, width=8, fire=8, weights=None)
        assert network.to("meta")(torch.zeros(1, 3, 417, 417)).shape == (1, *shape)


@torch.no_grad()
def test_the_vgg_is_panets_written_plainly():
    network = small().embedder
    c = [network.vgg.features[n] for n in ("0", "2", "5", "7", "10", "12", "14", "17", "19", "21", "24", "26", "28")]
    pool = [nn.MaxPool2d(3, stride, 1) for stride in (2, 2, 2, 1)]
    layers, after = [], {1: 0, 3: 1, 6: 2, 9: 3}
    for number, convolution in enumerate(c):
        layers += [convolution] + ([nn.ReLU()] if number < 12 else [])
        layers += [pool[after[number]]] if number in after else []
    assert [convolution.dilation for convolution in c[-3:]] == [(2, 2)] * 3
    images = torch.randint(0, 256, (1, 3, 41, 50), dtype=torch.uint8)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pictures = (images / 255 - mean[:, None, None]) / deviation[:, None, None]
    found = network(images)
    torch.testing.assert_close(found, nn.Sequential(*layers)(pictures), atol=1e-5, rtol=1e-4)
    assert (found < 0).any()  # no ReLU at the end


@torch.no_grad()
def test_probabilities_are_those_of_20_cosines_with_means_under_the_mask():
    network, batch = small().eval(), episode(supports=[(48, 48)])
    (support,), (query,) = batch.supports.frames, batch.queries
    features, others = network.embed(support.images), network.embed(query.images)
    larger = F.interpolate(features, support.masks.shape[1:], mode="bilinear")[0]
    means = [larger[:, support.masks[0] == number].mean(1) for number in (0, 1)]  # void, 255, is in neither
    plain = torch.stack([20 * F.cosine_similarity(others, mean[None, :, None, None]) for mean in means], 1)
    wanted = F.interpolate(plain, query.images.shape[-2:], mode="bilinear").softmax(1)[:, 1:]
    (found,) = network.predict(network.adapt(batch.supports), batch.queries)
    torch.testing.assert_close(found.probabilities, wanted, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_equal_shots_are_one_shot_and_prototypes_are_averaged():
    network, batch = small().eval(), episode()
    one = network.adapt(batch.supports.first(1))[0]
    (thrice,) = network.adapt(replace(batch.supports, frames=batch.supports.frames[:1] * 3))
    torch.testing.assert_close(thrice.means, one.means)
    other = network.adapt(replace(batch.supports, frames=batch.supports.frames[1:]))[0]
    torch.testing.assert_close(network.adapt(batch.supports)[0].means, (one.means + other.means) / 2)


@torch.no_grad()
def test_what_no_support_shows_is_found_nowhere_and_empty_supports_show_background_alone():
    network = small().eval()
    batch = episode(objects=3)
    for frame in batch.supports.frames:
        frame.masks[frame.masks == 2] = 0
    (found,) = network.predict(network.adapt(batch.supports), batch.queries)
    assert float(found.probabilities[:, 1].max()) == 0
    assert float(found.probabilities.sum(1).max()) <= 1 + 1e-6
    blank = replace(batch.supports.frames[0], masks=torch.zeros_like(batch.supports.frames[0].masks))
    (more,) = network.adapt(replace(batch.supports, frames=(*batch.supports.frames, blank)))
    (before,) = network.adapt(batch.supports)
    torch.testing.assert_close(more.means[1:], before.means[1:])
    assert not torch.equal(more.means[0], before.means[0])


@torch.no_grad()
def test_remembered_results_are_the_same_bit_for_bit():
    batch = episode()
    alone, remembering = small().eval(), small().eval()
    remembering.memory = Memory(1 << 30)
    for shots in (1, 2, 1):
        found = [
            next(network.predict(network.adapt(batch.supports.first(shots)), batch.queries)).probabilities
            for network in (alone, remembering)
        ]
        assert torch.equal(*found)
    # Features and prototypes of two supports, and features of the query, each computed once.
    assert remembering.memory.misses == 5


@torch.no_grad()
def test_another_mask_of_a_remembered_image_is_another_prototype():
    network, (frame, _) = small().eval(), episode().supports.frames
    network.memory = Memory(1 << 30)
    states = [network.adapt(Supports((replace(frame, masks=m),), 1))[0] for m in (frame.masks, frame.masks.roll(9, 2))]
    assert not torch.equal(states[0].means, states[1].means)
    assert network.memory.misses == 3


def test_the_loss_equals_hand_computation():
    logits = torch.tensor([[[[0.3, -1.0]], [[1.3, 0.5]]]])  # background and object of 1x2 pixels
    masks = torch.tensor([[[1, 255]]], dtype=torch.uint8)
    assert float(pixel_loss(enlarged(logits, (masks.shape[1], masks.shape[2])), masks.long())) == pytest.approx(
        math.log(1 + math.exp(-1.0)), rel=1e-6
    )


def test_the_alignment_loss_is_that_of_changed_roles():
    network, batch = small(flip=False), episode(supports=[(48, 48)], queries=[(48, 48)])
    (support,), (query,) = batch.supports.frames, batch.queries
    features, others = network.embed(support.images), network.embed(query.images)
    logits = torch.randn(1, 2, *others.shape[-2:])
    found = logits.argmax(1)[0]
    means = [others[0][:, found == number].mean(1) for number in (0, 1)]
    plain = torch.stack([20 * F.cosine_similarity(features, mean[None, :, None, None]) for mean in means], 1)
    wanted = F.cross_entropy(enlarged(plain, (48, 48)), support.masks.long(), ignore_index=255)
    torch.testing.assert_close(alignment_loss(network, features, others, logits, support.masks), wanted)
    logits[:, 0] = 9  # nothing is found
    assert alignment_loss(network, features, others, logits, support.masks).detach() == 0


def test_every_parameter_learns():
    network = small()
    network.stages[0]._losses(episode(supports=[(40, 56)]))["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(bool(p.grad.any()) for name, p in network.named_parameters() if name.endswith("weight"))


def test_without_alignment_the_loss_is_that_of_the_query():
    losses = small(alignment=0.0).stages[0]._losses(episode(supports=[(40, 56)]))
    assert losses["loss"] == losses["query_loss"]


@pytest.mark.parametrize(("void", "counted"), [("ignore", False), ("background", True)])
def test_void_rules_of_training(void, counted):
    network = small(void_train=void, flip=False)
    batch, losses = episode(supports=[(48, 48)]), []
    for value in (255, 0):
        masks = batch.queries[0].masks.masked_fill(batch.queries[0].masks == 255, value)
        query = replace(batch.queries[0], masks=masks)
        losses.append(network.stages[0]._losses(replace(batch, queries=(query,)))["query_loss"].item())
    assert (losses[0] == losses[1]) == counted


def test_the_rate_falls_to_a_tenth_after_each_third():
    (stage,) = build(width=8).stages
    assert [stage._schedule(step / 30_000) for step in (0, 9_999, 10_000, 20_000)] == pytest.approx([1, 1, 0.1, 0.01])


@pytest.mark.parametrize("backbone", ["vgg16", "squeezenet"])
def test_the_trunk_is_named_honestly(backbone):
    plain = build(backbone=backbone)
    assert plain.trunk == "scratch"
    inner = plain.embedder.vgg if backbone == "vgg16" else plain.embedder.network
    prefix = "features" if backbone == "vgg16" else ""
    weights = {name: torch.ones_like(p) for name, p in inner.features.named_parameters(prefix=prefix)}
    loaded = build(backbone=backbone, weights={"trunk": weights})
    assert loaded.trunk == "pretrained"
    assert all(bool((p == 1).all()) for p in loaded.parameters())
    plain.load_weights(loaded.weights())
    assert plain.trunk == "pretrained"
    assert small(backbone=backbone, weights={"trunk": weights}).trunk == "scratch"  # of no use to narrow channels
    other = "squeezenet" if backbone == "vgg16" else "vgg16"
    with pytest.raises(UserError, match="the weights hold no"):
        build(backbone=other, weights={"trunk": weights})


def test_a_frozen_backbone_has_nothing_to_train():
    assert frozen.build(width=8).stages == ()


def stepped(network, batch, steps):
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    torch.manual_seed(1)
    return [float(stage.step([batch], 0)["loss"]) for _ in range(steps)]


def test_the_same_seed_gives_the_same_losses():
    batch = episode(supports=[(40, 56)])
    assert stepped(small(), batch, 5) == stepped(small(), batch, 5)


@pytest.mark.slow
def test_overfits_an_episode_and_its_support_matters():
    network, batch = small(side=96), episode(supports=[(96, 96)], queries=[(96, 96)], void=False)
    stepped(network, batch, 80)
    network.eval()

    def iou(supports):
        with torch.no_grad():
            (found,) = network.predict(network.adapt(supports), batch.queries)
        mask, true = found.probabilities[:, 0] > 0.5, batch.queries[0].masks == 1
        return float((mask & true).sum() / (mask | true).sum())

    (support,) = batch.supports.frames
    assert iou(batch.supports) > 0.85
    everywhere = replace(support, masks=torch.ones_like(support.masks))
    assert iou(Supports((everywhere,), 1)) < iou(batch.supports) - 0.1


def test_frames_without_names_are_not_remembered():
    network, batch = small().eval(), episode()
    network.memory = Memory(1 << 30)
    with torch.no_grad():
        network.adapt(Supports((Frame(batch.supports.frames[0].images, batch.supports.frames[0].masks),), 1))
    assert network.memory.misses == 0


def photographs(mirror, list_name):
    """Of VOC's subset: name -> (image (1, 3, H, W), classes (1, H, W))."""
    with tarfile.open(next((mirror / "voc").glob("*.tar"))) as archive:
        names = {PurePath(name).name: name for name in archive.getnames()}
        listed = archive.extractfile(next(n for n in archive.getnames() if n.endswith(f"Segmentation/{list_name}.txt")))
        for name in listed.read().decode().split():
            image = np.array(Image.open(archive.extractfile(names[f"{name}.jpg"])).convert("RGB"))
            mask = np.array(Image.open(archive.extractfile(names[f"{name}.png"])))
            yield name, (torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(mask)[None])


def binary(name, photograph, number):
    """A frame of one class, void as background."""
    image, mask = photograph
    return Frame(image, (mask == number).to(torch.uint8), (name,))


@pytest.mark.mirror
@pytest.mark.slow
@torch.no_grad()
def test_frozen_features_find_real_objects(mirror):
    # 40 one-shot episodes, two a class: mean IoU 0.18 for predicting everything.
    (file,) = read_sources()["squeezenet1_1"].files
    network = frozen.build(weights={"trunk": read_keras(mirror / "weights" / file.file)}).eval()
    network.memory = Memory(1 << 30)
    found = dict(photographs(mirror, "val"))
    scores = {"prototypes": [], "everything": []}
    for number in range(1, 21):
        names = [name for name, (_, mask) in found.items() if (mask == number).sum() > 2048][:3]
        frames = [binary(name, found[name], number) for name in names]
        sums = torch.zeros(2, 2)
        for support, query in pairwise(frames):
            (said,) = network.predict(network.adapt(Supports((support,), 1)), [query])
            true = query.masks == 1
            for row, mask in enumerate((said.probabilities[:, 0] > 0.5, torch.ones_like(true))):
                sums[row] += torch.stack([(mask & true).sum(), (mask | true).sum()])
        for row, name in enumerate(scores):
            scores[name].append(float(sums[row, 0] / sums[row, 1]))
    assert network.trunk == "pretrained"
    means = {name: sum(values) / len(values) for name, values in scores.items()}
    assert means["prototypes"] > means["everything"] + 0.08, means
