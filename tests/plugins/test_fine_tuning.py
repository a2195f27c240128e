"""Fine-tuning: a plain path from the pixels, what changes and what does not, repetition, learning, what is remembered."""

import torch
import torch.nn.functional as F

from pipeline.layers.fcn32 import upsample
from pipeline.layers.vgg import normalized
from pipeline.memory import Memory
from pipeline.segmenter import Frame, Supports
from plugins.fcn.model import build as build_fcn
from plugins.fine_tuning.model import Head, build

SMALL = {"width": 32, "side": 96, "steps": 3, "learning_rate": 0.01, "score_rate": 0.1}


def small(**changes):
    torch.manual_seed(0)
    return build(**(SMALL | changes)).eval()


def shown(name="a", size=(48, 56), seed=0):
    """Noise, bright red where the object is; two rows are void."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 60, (1, 3, *size), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(1, *size, dtype=torch.uint8)
    images[:, 0, 10:, 20:] += 180
    masks[:, 10:, 20:], masks[:, :2] = 1, 255
    return Frame(images, masks, (name,))


def predicted(network, frames, query):
    with torch.no_grad():
        (found,) = network.predict(network.adapt(Supports(tuple(frames), 1)), [query])
    return found.probabilities


def test_parameters_that_an_episode_changes():
    with torch.device("meta"):
        extractor = build().features.extractor
    (wide,) = small().adapt(Supports((shown(),), 1))
    assert sum(p.numel() for p in extractor.fc6.parameters()) == 102_764_544
    assert sum(p.numel() for p in extractor.fc7.parameters()) == 16_781_312
    assert [sum(p.numel() for p in part.parameters()) for part in (wide.norm, wide.fc8)] == [8_192 // 32, 2 * 128 + 2]


def test_steps_equal_those_of_a_plain_network_from_the_pixels():
    network, frames, query = small(), [shown(), shown("b", seed=1)], shown("q", (40, 64), seed=2)
    (head,) = network.adapt(Supports(tuple(frames), 1))
    extractor = network.features.extractor
    plain = Head(extractor, 2, torch.Generator().manual_seed(0))
    plain.fc8.load_state_dict(small(steps=0).adapt(Supports(tuple(frames), 1))[0].fc8.state_dict())
    old = [p for name, p in plain.named_parameters() if name[:3] in ("fc6", "fc7")]
    new = [p for name, p in plain.named_parameters() if name[:3] not in ("fc6", "fc7")]
    optimizer = torch.optim.SGD([{"params": old, "lr": 0.01}, {"params": new, "lr": 0.1}], momentum=0.9)
    images = torch.cat([F.interpolate(f.images.float(), (96, 96), mode="bilinear") for f in frames])
    masks = torch.cat([F.interpolate(f.masks[None].float(), (96, 96))[0] for f in frames]).long()
    for _ in range(3):
        optimizer.zero_grad()
        logits = upsample(plain(extractor.pool5(normalized(images))), 96, 96, 19)
        F.cross_entropy(logits, masks, ignore_index=255).backward()
        optimizer.step()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(head.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)
    square = F.interpolate(query.images.float(), (96, 96), mode="bilinear")
    with torch.no_grad():
        logits = upsample(plain.eval()(extractor.pool5(normalized(square))), 96, 96, 19)
    wanted = F.interpolate(logits, (40, 64), mode="bilinear").softmax(1)[:, 1:]
    torch.testing.assert_close(predicted(network, frames, query), wanted, atol=1e-4, rtol=1e-4)


def test_fc6_fc7_and_batch_norm_move_and_the_network_stays():
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    (head,) = network.adapt(Supports((shown(),), 1))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    for layer in ("fc6", "fc7"):
        assert not torch.equal(getattr(head, layer).weight, getattr(network.features.extractor, layer).weight)
    assert head.norm.running_mean.any()
    assert not any(p.requires_grad for p in head.parameters())


def test_the_same_supports_give_the_same_bits_whatever_came_before():
    network, query = small(), shown("q", seed=5)
    first = predicted(network, [shown()], query)
    predicted(network.train(), [shown("other", seed=3)], query)
    torch.manual_seed(99)
    assert torch.equal(predicted(network.eval(), [shown()], query), first)


def test_it_learns_the_object_of_its_support():
    network, support = small(width=16, steps=50), shown()
    with torch.no_grad():
        (head,) = network.adapt(Supports((support,), 1))
    losses = [
        float(network._loss(h(network.look(support)), network._labels(support)))
        for h in (small(width=16, steps=0).adapt(Supports((support,), 1))[0], head)
    ]
    assert losses[1] < 0.7 * losses[0]


def test_a_support_that_is_all_void_changes_nothing_but_the_statistics():
    support = shown()
    support.masks.fill_(255)
    network = small()
    (head,) = network.adapt(Supports((support,), 1))
    assert torch.equal(head.fc6.weight, network.features.extractor.fc6.weight)


def test_it_starts_from_the_weights_of_the_fcn():
    torch.manual_seed(1)
    weights = build_fcn(width=32).weights()
    weights["pretrained"].fill_(True)
    network = small(weights={"fcn": weights})
    assert network.trunk == "pretrained"
    assert torch.equal(network.features.extractor.fc6.weight, weights["extractor.fc6.weight"])


def test_remembered_maps_change_no_bit():
    network, query, frames = small(), shown("q", (40, 64), seed=9), [shown(f"image{n}", seed=n) for n in range(3)]
    plain = [predicted(network, frames[:k], query) for k in (1, 3)]
    network.memory = Memory(1 << 30)
    for wanted, k in zip(plain, (1, 3), strict=True):
        assert torch.equal(predicted(network, frames[:k], query), wanted)
    assert (network.memory.hits, network.memory.misses) == (2, 4)
