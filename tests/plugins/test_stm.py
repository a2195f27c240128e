"""STM: parameters, reading, soft aggregation, padding, what memory keeps, and how extra pairs are taken."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import random_batch

from pipeline.layers.vgg import normalized
from pipeline.segmenter import Frame
from plugins.stm.bank import Bank, numbered
from plugins.stm.clips import cropped, made
from plugins.stm.encoders import Encoder, MemoryEncoder
from plugins.stm.extra import entries, generator_of
from plugins.stm.model import build
from plugins.stm.network import CHUNK, Entry, Network, aggregated, joined, padded, read, unpadded
from plugins.stm.squeeze import SqueezeEncoder, SqueezeMemoryEncoder
from plugins.stm.training import clip_loss, followed

SMALL = {"backbone": "resnet18", "width": 16, "crop": 32, "static_samples": 4, "video_samples": 4, "accumulate": 1}


def small(**changes):
    torch.manual_seed(0)
    return build(**SMALL | changes).eval()


def episode(**changes):
    return random_batch(**{"supports": [(40, 56)], "queries": [(40, 56)] * 3, "batch": 1, "objects": 2} | changes)


def extended(batch, **changes):
    """With six synthetic pairs of another size."""
    extra = random_batch(supports=[(32, 48)] * 6, queries=[], batch=1, objects=2, seed=5).supports.frames
    extra = tuple(replace(frame, origin="synthetic") for frame in extra)
    return replace(batch.supports, **{"extra": extra, "standard": True, "seed": 1} | changes)


# The network.


def test_parameters():
    network = Network("resnet50")
    assert sum(p.numel() for p in network.parameters()) == 38_925_570
    assert sum(p.numel() for p in network.query_encoder.parameters()) == 8_543_296
    assert sum(p.numel() for p in Network("squeezenet", width=2).parameters()) == 6_906_626


def test_names_and_shapes_are_those_of_torchvisions_resnet50():
    from torchvision.models import resnet50

    with torch.device("meta"):
        published = resnet50().state_dict()
        own = Encoder("resnet50").state_dict()
    assert {n: t.shape for n, t in own.items()} == {
        n: t.shape for n, t in published.items() if not n.startswith(("layer4", "fc"))
    }


def test_the_encoder_computes_what_torchvisions_does():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    theirs, ours = resnet18().eval(), Encoder("resnet18").eval()
    ours.load_published(theirs.state_dict())
    x = 255 * torch.rand(1, 3, 32, 48)
    seen = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(normalized(x)))))
    for found, layer in zip(ours(x), (theirs.layer1, theirs.layer2, theirs.layer3), strict=True):
        seen = layer(seen)
        torch.testing.assert_close(found, seen)


@pytest.mark.parametrize("backbone", ["resnet18", "squeezenet"])
def test_objects_are_encoded_each_with_its_own_mask_and_the_others(backbone):
    torch.manual_seed(0)
    encoder = MemoryEncoder("resnet18", width=16).eval() if backbone == "resnet18" else SqueezeMemoryEncoder()
    nn.init.normal_(encoder.extra_others.weight)
    images, masks, others = 255 * torch.rand(1, 3, 32, 32), torch.rand(1, 2, 32, 32), torch.rand(1, 2, 32, 32)
    each = [encoder.look(images, masks[:, o : o + 1], others[:, o : o + 1]) for o in range(2)]
    both = encoder.look(images, masks, others)
    torch.testing.assert_close(both, torch.cat(each))
    assert not torch.allclose(both, encoder.look(images, masks, others.flip(1)))


def test_squeezenets_maps_have_the_strides_of_a_resnets():
    encoder = SqueezeEncoder()
    maps = encoder(255 * torch.rand(2, 3, 48, 32))
    assert [tuple(m.shape) for m in maps] == [(2, 128, 12, 8), (2, 256, 6, 4), (2, 512, 3, 2)]
    assert encoder.channels == (128, 256, 512)
    for m in maps:
        torch.testing.assert_close(m.mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
        torch.testing.assert_close(m.var((1, 2, 3), correction=0), torch.ones(2), atol=1e-2, rtol=0)
    assert sum(p.numel() for p in encoder.parameters()) == 722_496


def test_reading_one_frame_is_attention_on_it():
    torch.manual_seed(0)
    memory, keys = Entry(torch.randn(2, 128, 7), torch.randn(2, 5, 7)), torch.randn(2, 128, 11)
    for n in range(2):
        for q in range(11):
            likeness = torch.stack([keys[n, :, q] @ memory.keys[n, :, p] for p in range(7)]) / 128**0.5
            weights = likeness.exp() / likeness.exp().sum()
            plain = sum(weights[p] * memory.values[n, :, p] for p in range(7))
            torch.testing.assert_close(read(memory, keys)[n, :, q], plain)


def test_reading_is_the_same_in_parts_and_weighs_all_frames_together():
    torch.manual_seed(0)
    frames = [Entry(torch.randn(1, 8, 6), torch.randn(1, 4, 6)) for _ in range(3)]
    keys = torch.randn(1, 8, CHUNK + 3)
    both = joined(frames)
    plain = both.values @ (both.keys.transpose(1, 2) @ keys / 8**0.5).softmax(1)
    torch.testing.assert_close(read(both, keys), plain)


def test_soft_aggregation_of_one_object():
    p = torch.linspace(0.01, 0.99, 50).view(1, 1, 5, 10)
    logits = aggregated(p)
    torch.testing.assert_close(logits.sigmoid(), torch.cat([1 - p, p], 1))
    torch.testing.assert_close(logits.softmax(1)[:, 1:], p**2 / (p**2 + (1 - p) ** 2))


def test_soft_aggregation_of_two_objects_by_hand():
    found = aggregated(torch.tensor([0.5, 0.8]).view(1, 2, 1, 1)).softmax(1).flatten()
    odds = torch.tensor([0.1 / 0.9, 1.0, 4.0])  # the background has 0.5 * 0.2
    torch.testing.assert_close(found, odds / odds.sum())


@pytest.mark.parametrize("size", [(480, 854), (33, 47), (32, 64)])
def test_padding_is_undone(size):
    x = torch.rand(1, 2, *size)
    larger = padded(x)
    assert larger.shape[-2] % 16 == larger.shape[-1] % 16 == 0
    assert larger.shape[-2] - size[0] < 16
    assert larger.sum() == pytest.approx(float(x.sum()))
    assert torch.equal(unpadded(larger, *size), x)


def test_batch_norm_stays_in_evaluation_mode():
    norms = [m for m in small().train().modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)


# Videos.


class Counting(nn.Module):
    """A network whose memory of a frame is its number, and that notes what it reads."""

    def __init__(self):
        super().__init__()
        self.reads = []

    def memorize(self, images, masks):
        return Entry(images[:, :1, 0, :1], masks[:, :, 0, 0:1])

    def segment(self, images, memory):
        self.reads.append(memory.keys.flatten().tolist())
        return torch.zeros(1, 2, *images.shape[-2:])


def reads(frames, count=14):
    network = Counting()
    bank = Bank(network, [Entry(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))], every=5, frames=frames)
    for number in range(1, count):
        bank.segment(torch.full((1, 3, 2, 2), float(number)))
    return network.reads


def test_a_query_reads_the_first_every_fifth_and_the_frame_before():
    found = reads(frames=20)
    assert found[:4] == [[0], [0, 1], [0, 2], [0, 3]]
    assert found[5:7] == [[0, 5], [0, 5, 6]]
    assert found[-1] == [0, 5, 10, 12]


def test_memory_is_bounded_and_keeps_the_first():
    assert reads(frames=1)[-1] == [0, 10, 12]
    assert reads(frames=0)[-1] == [0, 12]


def test_absent_objects_are_never_found_and_do_not_matter():
    batch = episode()
    mask = batch.supports.frames[0].masks.clone()
    mask[mask == 1] = 0
    mask[mask == 2] = 3
    wide = replace(batch.supports, frames=(replace(batch.supports.frames[0], masks=mask),), objects=4)
    single = replace(batch.supports, frames=(replace(wide.frames[0], masks=(mask == 3).to(torch.uint8)),), objects=1)
    network = small()
    with torch.no_grad():
        found = [p.probabilities for p in network.predict(network.adapt(wide), batch.queries)]
        alone = [p.probabilities for p in network.predict(network.adapt(single), batch.queries)]
    for many, one in zip(found, alone, strict=True):
        assert torch.equal(many[:, 2:3], one)
        assert not many[:, [0, 1, 3]].any()


def test_smaller_frames_are_seen_and_full_ones_given():
    batch, network = episode(), small(longer=28)
    assert network._size(batch.queries[0]) == (20, 28)
    with torch.no_grad():
        (found, *_) = network.predict(network.adapt(batch.supports), batch.queries)
    assert found.probabilities.shape == (1, 2, 40, 56)


def test_numbering_leaves_out_void():
    assert numbered(torch.tensor([[0, 2, 7, 255, 1]], dtype=torch.uint8), [2, 7]).tolist() == [[0, 1, 2, 0, 0]]


# Extra pairs.


def memory_of(supports, network=None):
    with torch.no_grad():
        (video,) = (network or small()).adapt(supports)
    return video.lasting


def test_extra_memory_is_a_function_of_the_seed():
    batch = episode()
    first, again, other = (memory_of(extended(batch, seed=seed)) for seed in (1, 1, 2))
    assert len(first) == 6
    assert all(torch.equal(a.values, b.values) for a, b in zip(first, again, strict=True))
    assert torch.equal(first[0].values, other[0].values)
    assert not all(torch.equal(a.values, b.values) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("extra", "standard", "expected"), [(False, False, 1), (False, True, 6), (True, False, 6)])
def test_each_cell_has_its_memory(extra, standard, expected):
    supports = extended(episode(), standard=standard)
    assert len(memory_of(supports if extra else replace(supports, extra=()))) == expected


def test_synthetic_entries_are_distinct_and_of_the_frames_size():
    first = (torch.zeros(1, 3, 8, 10, dtype=torch.uint8), torch.zeros(1, 8, 10, dtype=torch.uint8))
    pairs = [(torch.full((1, 3, 4, 5), n, dtype=torch.uint8), first[1][:, :4, :5]) for n in range(1, 8)]
    found = entries(first, pairs, False, 5, generator_of(2**64 - 1))
    assert len({int(image.max()) for image, _ in found}) == 5
    assert all(image.shape == (1, 3, 8, 10) and mask.shape == (1, 8, 10) for image, mask in found)


@pytest.mark.parametrize("use", ["memory", "fine_tune"])
def test_adapting_leaves_the_weights_untouched(use):
    network = small(use=use, tune_iterations=2, tune_rate=0.01)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        (video,) = network.adapt(extended(episode()))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    moved = [
        not torch.equal(a, b) for a, b in zip(video.network.parameters(), network.network.parameters(), strict=True)
    ]
    assert any(moved) == (use == "fine_tune")
    assert len(video.lasting) == (6 if use == "memory" else 1)


# Training.


def test_a_clip_of_an_image_moves_image_and_mask_together():
    torch.manual_seed(0)
    mask = torch.zeros(60, 80, dtype=torch.uint8)
    mask[20:45, 30:60] = 1
    frames, masks = made(mask.expand(3, -1, -1) * 255, mask, 48)
    assert frames.shape == (3, 3, 48, 48)
    assert ((frames[:, 0] > 100) == (masks == 1)).float().mean() > 0.98
    assert not torch.equal(masks[0], masks[1])


def test_frames_of_a_video_are_cropped_alike():
    torch.manual_seed(0)
    mask = torch.zeros(3, 60, 80, dtype=torch.uint8)
    mask[:, 20:45, 30:60] = 1
    frames, masks = cropped(mask.unsqueeze(1).expand(-1, 3, -1, -1) * 255, mask, 48)
    assert torch.equal(frames[0], frames[2])
    assert masks.any()


def test_objects_that_a_clips_first_crop_lacks_are_background():
    masks = torch.tensor([[[0, 3, 255]], [[1, 3, 2]], [[2, 0, 3]]], dtype=torch.uint8)
    assert followed(masks).tolist() == [[[0, 1, 0]], [[0, 1, 0]], [[0, 0, 1]]]
    assert not followed(torch.stack([torch.zeros(1, 3), torch.ones(1, 3)]).to(torch.uint8)).any()


def test_clips_of_several_objects_teach_the_others_mask():
    stage = small().stages[1]
    stage.setup(torch.device("cpu"), torch.float32)
    others = stage._losses.network.memory_encoder.extra_others.weight
    assert not others.any()
    torch.manual_seed(0)
    stage.step([episode(objects=1)], 0)
    assert not others.any()
    stage.step([episode(objects=2)], 1)
    assert others.any()


def test_the_first_segmentation_is_memorized_for_the_second():
    network = small().network
    images, masks = torch.rand(1, 3, 3, 32, 32) * 255, torch.randint(0, 3, (1, 3, 32, 32), dtype=torch.uint8)
    masks[:, 1] = 255
    masks[:, 1, 0, 0] = 0
    loss, _ = clip_loss(network, images, masks, 2)
    shown = torch.stack([masks[:, 0] == 1, masks[:, 0] == 2], 1).float()
    memory = network.memorize(images[:, 0], shown)
    first = network.segment(images[:, 1], memory).softmax(1)
    both = joined([memory, network.memorize(images[:, 1], first[:, 1:])])
    second = network.segment(images[:, 2], both).softmax(1)
    chosen = second.gather(1, masks[:, 2:].long())
    torch.testing.assert_close(loss, (-first[0, 0, 0, 0].log() - chosen.log().mean()) / 2)


def test_training_follows_a_square():
    """A red square on grey, moved between frames, is learnt within a few steps."""
    network = small(scratch_rate=0.003)
    stage = network.stages[0]
    mask = torch.zeros(4, 32, 32, dtype=torch.uint8)
    mask[:, 8:24, 8:24] = 1
    images = torch.full((4, 3, 32, 32), 90, dtype=torch.uint8)
    images[:, 0][mask == 1] = 240
    batch = episode()
    frame = Frame(images, mask)
    batch = replace(batch, supports=replace(batch.supports, frames=(frame,), objects=1), queries=(frame,))
    stage.setup(torch.device("cpu"), torch.float32)
    torch.manual_seed(0)
    losses = [float(stage.step([batch], 4 * n)["loss"]) for n in range(15)]
    assert min(losses[-3:]) < 0.6 * losses[0]
