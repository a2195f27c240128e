"""DINOv2's transformer: its size and names, a plain form of it, positions, released weights."""

import math
import re

import pytest
import torch
import torch.nn.functional as F

from pipeline.errors import UserError
from pipeline.layers.dinov2 import DEPTH, HEADS, DinoV2
from pipeline.layers.embedders import embedder


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = DinoV2(width=16)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def test_parameters_and_names_are_those_of_the_released_vit_s():
    with torch.device("meta"):
        network = DinoV2()
        assert network(torch.zeros(1, 3, 518, 518)).shape == (1, 384, 37, 37)
    assert sum(p.numel() for p in network.parameters()) == 22_056_576
    block = [f"norm{n}.{part}" for n in (1, 2) for part in ("weight", "bias")] + ["ls1.gamma", "ls2.gamma"]
    block += [
        f"{layer}.{part}" for layer in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2") for part in ("weight", "bias")
    ]
    outside = ["cls_token", "pos_embed", "mask_token", "patch_embed.proj.weight", "patch_embed.proj.bias"]
    names = [*outside, "norm.weight", "norm.bias", *(f"blocks.{n}.{name}" for n in range(DEPTH) for name in block)]
    assert set(network.state_dict()) == set(names)


def plain(network, pictures):
    """Token by token and head by head."""
    weights = dict(network.named_parameters())

    def linear(name, x):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-6)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    rows, columns = (side // 14 for side in pictures.shape[-2:])
    kernel = weights["patch_embed.proj.weight"].flatten(1)
    patches = [
        pictures[0, :, 14 * r : 14 * r + 14, 14 * c : 14 * c + 14].flatten() @ kernel.T
        for r in range(rows)
        for c in range(columns)
    ]
    tokens = torch.stack(patches) + weights["patch_embed.proj.bias"]
    tokens = torch.cat([weights["cls_token"][0], tokens]) + network.positions(rows, columns)[0]
    size = tokens.shape[1] // HEADS
    for n in range(DEPTH):
        asked = linear(f"blocks.{n}.attn.qkv", norm(f"blocks.{n}.norm1", tokens))
        query, key, value = (part.split(size, -1) for part in asked.chunk(3, -1))
        heads = [(query[h] @ key[h].T / math.sqrt(size)).softmax(-1) @ value[h] for h in range(HEADS)]
        tokens = tokens + weights[f"blocks.{n}.ls1.gamma"] * linear(f"blocks.{n}.attn.proj", torch.cat(heads, -1))
        middle = linear(f"blocks.{n}.mlp.fc1", norm(f"blocks.{n}.norm2", tokens))
        middle = middle * 0.5 * (1 + torch.erf(middle / math.sqrt(2)))
        tokens = tokens + weights[f"blocks.{n}.ls2.gamma"] * linear(f"blocks.{n}.mlp.fc2", middle)
    return norm("norm", tokens)[1:].T.view(-1, rows, columns)


@torch.no_grad()
def test_it_is_the_transformer_written_plainly(network):
    pictures = torch.randn(1, 3, 28, 42, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(pictures)[0], plain(network, pictures), rtol=1e-4, atol=1e-4)


def test_positions_are_those_learnt_at_518_pixels_and_resized_elsewhere(network):
    assert network.positions(37, 37) is network.pos_embed
    found = network.positions(10, 20)
    assert torch.equal(found[:, 0], network.pos_embed[:, 0])
    learnt = network.pos_embed[0, 1:].T.view(1, -1, 37, 37)
    wanted = F.interpolate(learnt, (10, 20), mode="bicubic", align_corners=False)
    assert torch.equal(found[0, 1:].T.view(1, -1, 10, 20), wanted)


def test_released_weights_load_and_others_are_one_line():
    published = {name: torch.full_like(tensor, 0.5) for name, tensor in DinoV2().named_parameters()}
    network = embedder("dinov2", width=1, fire=8, weights=published)
    assert network.trunk == "pretrained"
    assert all(bool((p == 0.5).all()) for p in network.parameters())
    published["norm.weight"] = torch.zeros(768)
    with pytest.raises(UserError, match=re.escape("DINOv2's ViT-S/14: norm.weight should be of shape (384,)")):
        embedder("dinov2", width=1, fire=8, weights=published)


@torch.no_grad()
def test_images_of_any_size_are_rounded_to_whole_patches():
    network = embedder("dinov2", width=16, fire=8, weights=None).eval()
    assert network.trunk == "scratch"
    images = torch.randint(0, 256, (2, 3, 64, 5), dtype=torch.uint8)
    assert network(images).shape == (2, 24, 5, 1)
