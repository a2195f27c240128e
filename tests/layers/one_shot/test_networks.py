"""Generator and discriminator: published counts, shapes of every head, and equality with the plain networks."""

import copy

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.one_shot.discriminator import Discriminator, FeatureAugmentation
from pipeline.layers.one_shot.generator import Generator
from pipeline.layers.one_shot.resolution import configure
from tests.layers.one_shot.plain import slowed

OFF = FeatureAugmentation(content=0, layout=0)


def networks(size=(384, 640), objects=2, low_level=None, supervision="mca", **changes):
    found = configure(*size, frame=size, low_level=low_level)
    mask = objects if supervision != "none" else 0
    generator = Generator(grid=found.grid, blocks=found.blocks, levels=found.low_level, channels=mask, **changes)
    return generator, Discriminator(
        blocks=found.judging,
        low_level=found.low_level,
        channels=objects,
        supervision=supervision,
        augmentation=OFF,
        **{k: v for k, v in changes.items() if k in ("width", "norm")},
    )


def small(**changes):
    torch.manual_seed(0)
    return tuple(n.double() for n in networks(**{"size": (96, 160), "width": 4, "objects": 3} | changes))


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("changes", "generator", "discriminator"),
    [
        ({}, 7_139_770, 3_243_680),
        ({"objects": 3}, 7_140_059, 3_244_963),
        ({"objects": 4}, 7_140_348, 3_246_246),
        ({"objects": 6}, 7_140_926, 3_248_812),
        ({"supervision": "none"}, 7_139_192, 2_453_402),
        ({"low_level": 1}, 7_139_770, 2_308_979),
        ({"low_level": 2}, 7_139_770, 2_230_658),
        ({"low_level": 3}, 7_139_770, 2_441_785),
        ({"low_level": 5}, 7_139_770, 4_045_575),
        ({"size": (192, 320)}, 5_887_159, 2_441_785),
        ({"size": (512, 640)}, 7_221_690, 3_243_680),
        ({"size": (384, 512)}, 7_090_618, 3_243_680),
        ({"size": (512, 896)}, 7_352_762, 3_243_680),
    ],
    ids=str,
)
def test_published_counts_of_parameters(changes, generator, discriminator):
    with torch.device("meta"):
        assert tuple(map(count, networks(**changes))) == (generator, discriminator)


def test_counts_of_the_parts():
    with torch.device("meta"):
        generator, discriminator = networks()
    assert count(generator.first) == 246_016
    assert [count(block) for block in generator.blocks] == [1_245_696] * 5 + [475_392, 118_912, 29_760]
    assert [count(head) for head in generator.heads] == [6915] * 5 + [3459, 1731, 867]
    assert count(generator.mask) == 289 * 2
    low = discriminator.low_level
    parts = zip(low.from_image, low.blocks, low.heads, strict=True)
    assert [sum(map(count, part)) for part in parts] == [30_753, 139_369, 556_369, 1_328_769]
    for branch, counts in (
        (discriminator.content, [329_987, 526_851, 328_963]),
        (discriminator.layout, [2573, 23, 23]),
    ):
        assert [count(a) + count(b) for a, b in zip(branch.blocks, branch.heads, strict=True)] == counts


@pytest.mark.parametrize(
    ("low_level", "widths"),
    [
        (1, [64, 256, 512, 512, 512, 512, 256]),
        (2, [128, 512, 512, 512, 512, 256]),
        (3, [256, 512, 512, 512, 256]),
        (4, [256, 512, 512, 256]),
        (5, [256, 512, 256]),
    ],
)
def test_content_widths(low_level, widths):
    with torch.device("meta"):
        blocks = networks(low_level=low_level)[1].content.blocks
    assert [blocks[0].first.weight.shape[1], *(b.second.weight.shape[0] for b in blocks)] == widths


def test_shapes_of_the_pyramid_and_of_all_ten_heads():
    generator, discriminator = networks(objects=3, width=8)
    with torch.no_grad():
        made = generator(torch.zeros(2, 64))
        verdict = discriminator(made.images, made.masks, real=False)
    assert [tuple(image.shape[1:]) for image in made.images] == [(3, 384 >> i, 640 >> i) for i in range(4)]
    assert made.masks.shape == (2, 3, 384, 640)
    assert len(made.features) == 8
    assert [tuple(x.shape) for x in verdict.low_level] == [(2, 1, 192 >> i, 320 >> i) for i in range(4)]
    assert verdict.content.shape == (3, 3 * 2, 3 + 1)
    assert [tuple(x.shape) for x in verdict.layout] == [(2, 1, 12, 20), (2, 1, 6, 10), (2, 1, 3, 5)]


@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
def test_the_generator_equals_the_plain_one(norm):
    fast = small(norm=norm)[0]
    plain = slowed(copy.deepcopy(fast))
    latents = torch.randn(3, 64).double()
    for _ in range(2):
        made, expected = fast(latents), plain(latents)
    for a, b in zip(
        [*made.images, made.masks, *made.features], [*expected.images, expected.masks, *expected.features], strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for given in (made, expected):
        sum(((x + 0.3) ** 2).sum() for x in [*given.images, given.masks]).backward()
    for a, b in zip(fast.parameters(), plain.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("supervision", ["none", "mca", "projection", "input_concat"])
def test_the_discriminator_equals_the_plain_one(supervision):
    fast = small(supervision=supervision)[1]
    plain = slowed(copy.deepcopy(fast))
    images = [torch.randn(2, 3, 96 >> i, 160 >> i).double() for i in range(3)]
    masks = torch.rand(2, 3, 96, 160).double().softmax(1)
    for _ in range(2):
        verdict, expected = (net(images, masks, real=False) for net in (fast, plain))
    logits = [[*v.low_level, v.content, *v.layout] for v in (verdict, expected)]
    for a, b in zip(*logits, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for given in logits:
        sum((x**3).sum() for x in given).backward()
    for a, b in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)


@torch.no_grad()
@pytest.mark.parametrize("supervision", ["mca", "projection", "input_concat"])
def test_fake_masks_are_judged_by_their_greatest_channel_and_real_ones_as_they_are(supervision):
    network = small(supervision=supervision)[1].eval()
    images = [torch.randn(2, 3, 96 >> i, 160 >> i).double() for i in range(3)]
    soft = torch.rand(2, 3, 96, 160).double().softmax(1)
    hard = F.one_hot(soft.argmax(1), 3).movedim(-1, 1).double()
    fake, real, softly = network(images, soft, real=False), network(images, hard, real=True), network(images, soft, real=True)  # fmt: skip
    heads = [[*v.low_level, v.content, *v.layout] for v in (fake, real, softly)]
    assert all(map(torch.equal, heads[0], heads[1]))
    assert not all(map(torch.equal, heads[0], heads[2]))


def test_coarse_images_nobody_reads_are_left_out():
    generator = small()[0]
    generator(torch.randn(2, 64).double()).images[0].sum().backward()
    assert all(p.grad is None for p in generator.heads[:-3].parameters())


def test_projection_adds_the_inner_product_to_the_last_low_level_map():
    network = small(supervision="projection")[1].eval()
    images = [torch.randn(2, 3, 96 >> i, 160 >> i).double() for i in range(3)]
    masks = torch.rand(2, 3, 96, 160).double()
    with torch.no_grad():
        one = network(images, masks, real=True).low_level[-1]
        none = network(images, torch.zeros_like(masks), real=True).low_level[-1]
        two = network(images, 2 * masks, real=True).low_level[-1]
    torch.testing.assert_close(two - none, 2 * (one - none))


def test_a_detached_mask_head_teaches_the_blocks_nothing():
    found = configure(48, 64, frame=(48, 64))
    for detach in (False, True):
        net = Generator(grid=found.grid, blocks=5, levels=2, channels=2, width=4, detach=detach)
        net(torch.randn(2, 64)).masks[:, 0].sum().backward()
        assert (net.blocks[-1].first.weight.grad is None) == detach
        assert net.mask.weight.grad is not None


def test_first_weights_follow_the_released_initialization():
    torch.manual_seed(0)
    generator, discriminator = (network.requires_grad_(False) for network in networks())
    assert generator.blocks[0].first.weight.std() == pytest.approx(0.02, rel=0.01)
    assert generator.mask.weight.std() == pytest.approx(0.02, rel=0.2)
    assert generator.first.weight.abs().max() <= (256 * 15) ** -0.5
    bias = discriminator.low_level.blocks[3].first.bias
    assert bias.abs().max() <= (288 * 9) ** -0.5
    assert bias.std() == pytest.approx((288 * 9) ** -0.5 / 3**0.5, rel=0.2)
