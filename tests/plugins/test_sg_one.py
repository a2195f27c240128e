"""SG-One against its specification: counts, shapes, plain paths, supports, caching, losses, rates, and learning."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from toys import random_batch

from pipeline.errors import UserError
from pipeline.layers.two_way import labels, pixel_loss, rate_groups
from pipeline.layers.vgg import normalized
from pipeline.memory import Memory
from pipeline.plugin import find_plugins, systems
from pipeline.segmenter import VOID, Batch, Frame, Supports
from plugins.sg_one.model import SgOne, build
from plugins.sg_one.training import PixelLoss

CPU = torch.device("cpu")
FACTS = find_plugins()["sg_one"]
VARIANTS = [s for s in systems({"sg_one": FACTS}, "paper") if s.model_name == s.name]


def small(**changes) -> SgOne:
    torch.manual_seed(0)
    return build(**({"width": 16, "samples": 100} | changes)).eval()


def full(**changes) -> SgOne:
    with torch.device("meta"):
        return build(**changes)


def variant(name, **changes):
    return small(**FACTS.variants[name].train, **changes)


def episodes(batch=2, shots=1, objects=1, **changes):
    return random_batch(supports=[(40, 48)] * shots, queries=[(48, 40)], batch=batch, objects=objects, **changes)


def probabilities(network, batch, shots=None):
    supports = batch.supports if shots is None else batch.supports.first(shots)
    with torch.no_grad():
        (found,) = network.predict(network.adapt(supports), batch.queries)
    return found.probabilities


# Parameters and shapes (specification, 3.8, 3.9 and 9.9, 9.10).


@pytest.mark.parametrize(
    ("name", "count"),
    [
        (None, 18_992_194),
        ("separate", 36_066_690),
        ("concat", 36_067_842),
        ("masking", 18_992_194),
        ("gap", 18_992_194),
        ("relu", 18_992_194),
        ("l2", 18_992_194),
        ("no_seg_branch", 17_664_706),
        ("no_interaction", 17_812_546),
        ("squeezenet", 4_852_546),
    ],
)
def test_parameter_counts(name, count):
    network = full(**(FACTS.variants[name].train if name else {}))
    assert sum(p.numel() for p in network.parameters()) == count


def test_parameters_of_each_part():
    network = full()
    parts = (network.query.trunk.vgg, network.query.guide, network.segmentation, network.head)
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == [14_714_688, 2_359_808, 1_769_856, 147_842]


@pytest.mark.parametrize(("padding", "size"), [(1, (49, 65)), (0, (47, 63))])
@torch.no_grad()
def test_shapes_of_the_published_network(padding, size):
    network = full(exit_padding=padding)
    maps = network.query(torch.zeros(1, 3, 375, 500, device="meta"))
    assert [tuple(m.shape[1:]) for m in maps] == [(256, 47, 63), *[(512, 47, 63)] * 3]
    segmentation = network.segmentation(maps)
    assert segmentation.shape == (1, 128, 47, 63)
    assert network.head(segmentation).shape == (1, 2, *size)


@pytest.mark.parametrize("size", [(375, 500), (63, 64), (65, 57)])
@torch.no_grad()
def test_squeezenets_maps_lie_where_those_of_vgg_do(size):
    picture = torch.zeros(1, 3, *size)
    squeeze, vgg = variant("squeezenet").query(picture), small().query(picture)
    assert [m.shape[1] for m in squeeze] == [16, 24, 32, 32]
    assert {m.shape[2:] for m in squeeze} == {m.shape[2:] for m in vgg}


def test_squeezenet_has_no_channel_for_a_mask():
    with pytest.raises(UserError, match="three channels"):
        variant("squeezenet", support="separate", support_input="concat")


@torch.no_grad()
def test_the_border_of_padded_logits_is_the_bias():
    network = small()
    logits = network.head(torch.rand(1, 8, 4, 5))
    edge = torch.ones(6, 7, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    assert logits[0, :, edge].eq(network.head.exit.bias[:, None]).all()
    assert not logits[0, :, ~edge].eq(network.head.exit.bias[:, None]).any()


@torch.no_grad()
def test_the_whole_network_written_plainly():
    network, batch = small(), episodes(1)
    (support,), (query,) = batch.supports.frames, batch.queries
    weights = network.state_dict()

    def conv(x, name, padding=1):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=padding)

    def branch(images):
        x, kept = normalized(images), []
        for block, stride in (((0, 2), 2), ((5, 7), 2), ((10, 12, 14), 2), ((17, 19, 21), 1), ((24, 26, 28), 1)):
            for layer in block:
                x = conv(x, f"query.trunk.vgg.features.{layer}").relu()
            x = F.max_pool2d(x, 3, stride, 1)
            kept.append(x)
        return (*kept[2:], conv(x, "query.guide"))

    enlarged = F.interpolate(branch(support.images)[3], (40, 48), mode="bilinear", align_corners=False)
    v = (enlarged * support.masks[:, None]).sum((2, 3)) / support.masks.sum()
    o3, o4, o5, g = branch(query.images)
    x = conv(o3, "segmentation.s3").relu()
    x = conv(torch.cat([x, o4], 1), "segmentation.s4").relu()
    x = conv(torch.cat([x, o5], 1), "segmentation.s5")
    x = conv(x * F.cosine_similarity(g, v[:, :, None, None], dim=1)[:, None], "head.c6").relu()
    logits = F.interpolate(conv(x, "head.exit"), (48, 40), mode="bilinear", align_corners=False)
    found = network(query.images, support.images, support.masks == 1)
    torch.testing.assert_close(found, logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(probabilities(network, batch)[:, 0], logits.softmax(1)[:, 1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("system", VARIANTS, ids=lambda s: s.name)
def test_every_variant_learns_in_all_its_parts(system):
    width = 4 if system.train["backbone"] == "squeezenet" else 16  # a squeeze of one channel may be silent
    network = small(**(system.train | {"width": width, "samples": 10}))
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    assert stage.step([episodes(void=True)], 0)["loss"].isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


# Signs, similarities and pooling (9.16 to 9.18).


@torch.no_grad()
def test_only_relu_silences_g_and_s5():
    images = episodes().queries[0].images
    plain, silenced = small().look(images), variant("relu").look(images)
    assert min(plain.guidance.min(), plain.segmentation.min()) < 0
    assert min(silenced.guidance.min(), silenced.segmentation.min()) == 0


@torch.no_grad()
def test_cosines_do_not_depend_on_the_vectors_length_and_distances_do():
    guidance, vectors = small().look(episodes().queries[0].images).guidance, torch.randn(2, 32)
    cosines = small().compare(guidance, vectors)
    assert cosines.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(small().compare(guidance, 3 * vectors), cosines)
    distances = variant("l2").compare(guidance, vectors)
    torch.testing.assert_close(distances, (guidance - vectors[..., None, None]).square().sum(1).sqrt())
    assert not distances.allclose(variant("l2").compare(guidance, 3 * vectors), rtol=0.1)
    assert variant("l2_neg").compare(guidance, vectors).equal(-distances)
    assert variant("l2_exp").compare(guidance, vectors).equal(torch.exp(-distances))


@torch.no_grad()
def test_what_lies_outside_the_mask_moves_the_vector_only_through_the_receptive_field():
    images, mask = torch.randint(256, (1, 3, 320, 16), dtype=torch.uint8), torch.zeros(1, 320, 16, dtype=torch.bool)
    mask[:, :16] = True
    far, near = images.clone(), images.clone()
    far[:, :, 160:] = 0  # a place of g sees 195 pixels, so that the third cell's sight ends at 20 + 97
    near[:, :, 40:48] = 0

    def vector(network, images, mask=mask):
        return network.pool(network.guide(images, mask), mask)

    assert vector(small(), far).equal(vector(small(), images))
    assert not vector(small(), near).allclose(vector(small(), images))
    assert vector(variant("masking"), near).equal(vector(variant("masking"), images))
    assert vector(variant("gap"), images, ~mask).equal(vector(variant("gap"), images))
    assert not vector(small(), images, ~mask).allclose(vector(small(), images))


@torch.no_grad()
def test_concat_gives_the_support_its_mask_and_the_inverse():
    network, images = variant("concat"), episodes(1).queries[0].images
    mask = torch.rand(1, *images.shape[-2:]) > 0.5
    seen = []
    network.support.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.guide(images, mask)
    torch.testing.assert_close(seen[0][:, :3], normalized(images))
    assert seen[0][:, 3].equal(mask.float())
    assert seen[0][:, 4].equal((~mask).float())


@torch.no_grad()
def test_supports_of_a_batch_do_not_mix():
    network, batch = small(), episodes(2)
    support, query = batch.supports.frames[0], batch.queries[0]
    together = network(query.images, support.images, support.masks == 1)
    parts = [(q.images, s.images, s.masks == 1) for q, s in ((query.part(r), support.part(r)) for r in rows(2))]
    torch.testing.assert_close(together, torch.cat([network(*part) for part in parts]), atol=1e-5, rtol=1e-4)


def rows(count):
    return [slice(b, b + 1) for b in range(count)]


# Shots and classes (9.20).


@pytest.mark.parametrize("shots", ["average", "maximum"])
def test_five_equal_supports_say_what_one_says(shots):
    network, batch = small(shots=shots), episodes()
    five = replace(batch, supports=replace(batch.supports, frames=batch.supports.frames * 5))
    torch.testing.assert_close(probabilities(network, five), probabilities(network, batch))


def test_maximum_is_the_union_of_the_masks_and_average_the_mean_of_the_vectors():
    batch = episodes(shots=3, seed=4)
    each = [replace(batch, supports=replace(batch.supports, frames=(frame,))) for frame in batch.supports.frames]
    most = probabilities(small(shots="maximum"), batch)
    alone = torch.stack([probabilities(small(), one) for one in each])
    assert most.equal(alone.amax(0))
    assert (most > 0.5).equal((alone > 0.5).any(0))
    with torch.no_grad():
        vectors = torch.stack([small().adapt(one.supports)[0][0][0] for one in each])
        torch.testing.assert_close(small().adapt(batch.supports)[0][0][0], vectors.mean(0))


def test_five_classes_are_five_runs_with_one_support_each():
    batch = episodes(1, shots=5, objects=5, one_each=True)
    together = probabilities(small(), batch)
    assert together.shape == (1, 5, 48, 40)
    for number, frame in enumerate(batch.supports.frames):
        own = replace(frame, masks=(frame.masks == number + 1).to(torch.uint8))
        one = Batch(Supports((own,), 1), batch.queries)
        assert probabilities(small(), one)[:, 0].equal(together[:, number])


def test_an_object_that_no_support_shows_is_nowhere():
    assert probabilities(small(), episodes(empty_support=True)).eq(0).all()


# What is remembered (9.35).


def recurring(count=6):
    """Episodes with supports and queries from one small set of images, each of a size of its own."""
    generator = torch.Generator().manual_seed(0)
    frames = []
    for number in range(4):
        side = 32 + 8 * number
        images = torch.randint(256, (1, 3, side, 40), generator=generator, dtype=torch.uint8)
        frames.append(Frame(images, (torch.rand(1, side, 40, generator=generator) > 0.6).byte(), (f"image{number}",)))
    for _ in range(count):
        order = torch.randperm(4, generator=generator).tolist()
        *supports, query = (frames[k] for k in order)
        yield Batch(Supports(tuple(supports), 1), (replace(query, masks=None),))


@pytest.mark.parametrize("limit", [1 << 30, 100_000, 0])
@pytest.mark.parametrize("name", [None, "max", "separate", "concat", "masking", "gap", "no_seg_branch", "squeezenet"])
def test_remembering_changes_no_bit(name, limit):
    choice = FACTS.variants[name].train | FACTS.variants[name].evaluate if name else {}
    plain, remembering = small(**choice), small(**choice)
    remembering.memory = Memory(limit)
    for batch in recurring():
        for shots in (1, 3):
            assert probabilities(remembering, batch, shots).equal(probabilities(plain, batch, shots))


def passes(network, batches):
    """How many images went through the trunk."""
    seen = []
    network.query.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    for batch in batches:
        for shots in (1, 3):
            probabilities(network, batch, shots)
    return sum(seen)


def test_each_image_is_looked_at_once():
    network = small()
    network.memory = Memory(1 << 30)
    assert passes(network, recurring()) == 4
    assert passes(small(), recurring()) == 6 * (2 + 4)


def test_a_batch_of_episodes_is_remembered_image_by_image():
    network, batch = small(), episodes(3)
    network.memory = Memory(1 << 30)
    together = probabilities(network, batch)
    misses = network.memory.misses
    assert probabilities(network, batch.part(slice(1, 2))).equal(together[1:2])
    assert network.memory.misses == misses


def test_another_mask_of_the_same_image_is_another_vector():
    network, batch = small(), next(recurring())
    network.memory = Memory(1 << 30)
    (first, *_), query = batch.supports.frames, batch.queries
    other = Batch(Supports((replace(first, masks=1 - first.masks),), 1), query)
    assert not probabilities(network, other).equal(probabilities(network, batch, 1))


# Training (4.2, 9.6, 9.19, 9.23).


def test_the_three_void_rules():
    masks = torch.tensor([[[0, 1, VOID]]], dtype=torch.uint8)
    found = {void: labels(masks, void).flatten().tolist() for void in ("ignore", "background", "foreground")}
    assert found == {"ignore": [0, 1, VOID], "background": [0, 1, 0], "foreground": [0, 1, 1]}


@pytest.mark.parametrize(("void", "inside"), [("ignore", {1}), ("background", {1}), ("foreground", {1, VOID})])
def test_void_of_a_support_belongs_to_its_object_in_the_faithful_rule_alone(void, inside, monkeypatch):
    network, batch = small(), episodes(void=True)
    masks, seen, forward = batch.supports.frames[0].masks, [], network.forward
    monkeypatch.setattr(network, "forward", lambda q, s, m: seen.append(m) or forward(q, s, m))
    PixelLoss(network, void)(batch)
    assert seen[0].equal(torch.isin(masks, torch.tensor(sorted(inside), dtype=torch.uint8)))


def test_training_may_read_blue_first_as_the_authors_do_and_tests_read_red_first():
    network, batch = small(), episodes()
    (support,), (query,) = batch.supports.frames, batch.queries
    turned = [replace(frame, images=frame.images.flip(1)) for frame in (support, query)]
    swapped = Batch(replace(batch.supports, frames=(turned[0],)), (turned[1],))
    losses = [PixelLoss(network, "ignore", channels) for channels in ("rgb", "bgr_training")]
    assert losses[1](batch)["loss"] == losses[0](swapped)["loss"] != losses[0](batch)["loss"]
    assert probabilities(small(channels="bgr_training"), batch).equal(probabilities(small(), batch))


def test_the_loss_is_cross_entropy_over_the_pixels_that_count():
    torch.manual_seed(0)
    logits, truth = torch.randn(1, 2, 5, 6), torch.randint(2, (1, 5, 6))
    truth[0, 0, :3] = VOID
    counted = truth != VOID
    chosen = torch.where(truth == 1, logits[:, 1], logits[:, 0]) - logits.logsumexp(1)
    torch.testing.assert_close(pixel_loss(logits, truth), -chosen[counted].mean())
    assert pixel_loss(logits, torch.full_like(truth, VOID)) == 0


def test_a_batch_of_two_is_the_mean_of_two_batches_of_one():
    network, batch = small(), episodes(void=True)
    batch.queries[0].masks[1, 10:40] = VOID  # much fewer pixels count in the second episode
    together = PixelLoss(network, "ignore")(batch)["loss"]
    alone = [PixelLoss(network, "ignore")(batch.part(row))["loss"] for row in rows(2)]
    torch.testing.assert_close(together, torch.stack(alone).mean())


@pytest.mark.parametrize("name", [None, "concat", "no_seg_branch"])
def test_every_parameter_learns_at_one_of_four_rates(name):
    network = variant(name) if name else small()
    groups = rate_groups(network, 1e-5, {"guide": 10}, 2)
    names = {id(p): n for n, p in network.named_parameters()}
    rates = {names[id(p)]: round(group["lr"] / 1e-5) for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rates) == len(names)
    for parameter, rate in rates.items():
        assert rate == (10 if ".guide." in parameter else 1) * (2 if parameter.endswith("bias") else 1)


def test_the_optimizer_is_that_of_the_authors_code():
    (stage,) = build(weights={"trunk": torchvisions()}, samples=100).stages
    assert (stage.samples, stage.batch) == (100, 1)
    stage.setup(CPU, torch.float32)
    groups = stage.state()["optimizer"]["param_groups"]
    assert {(g["momentum"], g["weight_decay"]) for g in groups} == {(0.99, 5e-4)}
    assert [g["lr"] for g in groups] == pytest.approx([1e-5, 2e-5, 1e-4, 2e-4])


def test_the_papers_rate_is_one_for_all():
    (stage,) = variant("paper_rate").stages
    stage.setup(CPU, torch.float32)
    assert [g["lr"] for g in stage.state()["optimizer"]["param_groups"]] == [5e-4]


def test_a_trunk_from_scratch_learns_faster():
    (stage,) = small().stages
    stage.setup(CPU, torch.float32)
    assert stage.state()["optimizer"]["param_groups"][0]["lr"] == pytest.approx(5e-4)


def test_first_weights_are_xavier_in_the_new_layers():
    network = small(width=4)
    for layer in (network.query.guide, network.segmentation.s3, network.segmentation.s4):
        fans = 9 * (layer.in_channels + layer.out_channels)
        assert layer.weight.std().item() == pytest.approx((2 / fans) ** 0.5, rel=0.05)
        assert layer.bias.eq(0).all()
    assert network.head.c6.bias.any()


# Published weights.


def torchvisions():
    generator = torch.Generator().manual_seed(3)
    trunk = full().query.trunk.vgg.features.named_parameters(prefix="features")
    return {name: torch.randn(p.shape, generator=generator) for name, p in trunk}


def test_published_weights_of_the_trunk_load_and_stay_known():
    given = torchvisions()
    network = build(weights={"trunk": given}, support="separate", support_input="concat", extra_inputs="zeros")
    assert network.trunk == "pretrained"
    assert network.query.trunk.vgg.features["28"].weight.equal(given["features.28.weight"])
    first = network.support.trunk.vgg.features["0"].weight
    assert first[:, :3].equal(given["features.0.weight"])
    assert first[:, 3:].eq(0).all()
    again = small()
    again.load_weights(small().weights() | {"pretrained": network.weights()["pretrained"]})
    assert again.trunk == "pretrained"


def test_without_published_weights_or_at_a_reduced_width_the_trunk_is_from_scratch():
    assert small().trunk == "scratch"
    assert small(weights={"trunk": {}}).trunk == "scratch"


def test_a_user_who_shares_a_trunk_of_five_channels_is_told():
    with pytest.raises(UserError, match="set support=separate"):
        small(support_input="concat")


# Learning (9.30, 9.31, 9.33).


def scene(left, right, seed, side=48):
    """Two squares of a colour each on noise: image (3, side, side), and the masks of the left and the right one."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(90, 120, (3, side, side), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(2, side, side, dtype=torch.uint8)
    for mask, colour, x in zip(masks, (left, right), (2, side // 2 + 2), strict=True):
        y = int(torch.randint(2, 26, (), generator=generator))
        mask[y : y + 18, x : x + 18] = 1
        image = torch.where(mask.bool(), torch.tensor(colour, dtype=torch.uint8)[:, None, None], image)
    return image, *masks


def two_episodes():
    """The same query twice, a scene of red and blue: once red is asked for, once blue."""
    red, blue, green, yellow = (230, 40, 30), (40, 60, 220), (30, 200, 60), (220, 210, 40)
    query, left, right = scene(red, blue, 0)
    with_red, a, _ = scene(red, green, 1)
    with_blue, _, b = scene(yellow, blue, 2)
    support = Frame(torch.stack([with_red, with_blue]), torch.stack([a, b]))
    return Batch(Supports((support,), 1), (Frame(torch.stack([query, query]), torch.stack([left, right])),))


def trained(steps, batch, until=1.0):
    network = small(width=8, scratch_rate=0.02, momentum=0.9, batch=2)
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    metrics = []
    for number in range(steps):
        metrics.append(stage.step([batch], 2 * number))
        if metrics[-1]["iou"] > until:
            break
    return network, metrics


def iou(network, batch):
    found, true = probabilities(network, batch)[:, 0] > 0.5, batch.queries[0].masks == 1
    return float(((found & true).sum((1, 2)) / (found | true).sum((1, 2))).mean())


def with_support(batch, **changes):
    return replace(batch, supports=replace(batch.supports, frames=(replace(batch.supports.frames[0], **changes),)))


def test_overfits_two_episodes_that_only_their_supports_tell_apart():
    batch = two_episodes()
    network, _ = trained(400, batch, until=0.96)
    network.eval()
    assert iou(network, batch) > 0.95
    (support,) = batch.supports.frames
    swapped = with_support(batch, images=support.images.flip(0), masks=support.masks.flip(0))
    assert iou(network, swapped) < 0.5
    assert iou(network, with_support(batch, masks=torch.ones_like(support.masks))) < 0.7


def test_the_same_seed_gives_the_same_losses():
    batch = two_episodes()
    first, second = ([float(m["loss"]) for m in trained(20, batch)[1]] for _ in range(2))
    assert first == second
