"""The vision transformer of DINOv2 (Oquab et al., arXiv 2304.07193; ViT-S/14, distilled), up to its last norm.

Written in plain torch with the tensors' names of the released weights (`blocks.0.attn.qkv.weight`), which load here.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError

PATCH, GRID = 14, 37
"""Pixels of a patch's side, and patches of a side of the pictures that positions were learnt on (518 pixels)."""
CHANNELS, HEADS, DEPTH, GROWTH = 384, 6, 12, 4
"""Of ViT-S: numbers of a token, heads of an attention, blocks, and how much wider a block's middle layer is."""
EPSILON = 1e-6


class Attention(nn.Module):
    """Every token asks every other (Dosovitskiy et al., arXiv 2010.11929, appendix A)."""

    def __init__(self, channels: int) -> None:
        """`HEADS` heads of `channels` / `HEADS` numbers each."""
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) -> (B, N, C)."""
        batch, count, channels = tokens.shape
        each = self.qkv(tokens).view(batch, count, 3, HEADS, channels // HEADS).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(each[0], each[1], each[2])
        mixed: Tensor = self.proj(found.transpose(1, 2).reshape(batch, count, channels))
        return mixed


class Scale(nn.Module):
    """LayerScale (Touvron et al., arXiv 2103.17239): a learnt factor a channel."""

    def __init__(self, channels: int) -> None:
        """Factors start at 1e-5, as in the released code."""
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), 1e-5))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) times the factors."""
        return tokens * self.gamma


class Block(nn.Module):
    """Attention, then two layers for every token; both are added to what comes in."""

    def __init__(self, channels: int) -> None:
        """1,775,232 parameters at 384 channels."""
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(channels, eps=EPSILON) for _ in range(2))
        self.attn = Attention(channels)
        self.ls1, self.ls2 = Scale(channels), Scale(channels)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(channels, GROWTH * channels), "fc2": nn.Linear(GROWTH * channels, channels)}
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) -> (B, N, C)."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        wider = F.gelu(self.mlp["fc1"](self.norm2(tokens)))
        found: Tensor = tokens + self.ls2(self.mlp["fc2"](wider))
        return found


class DinoV2(nn.Module):
    """Pictures (B, 3, H, W) with sides of whole patches -> a feature (B, C, H/14, W/14) of every patch.

    22,056,576 parameters at full width; `mask_token` is of its training alone.
    """

    def __init__(self, *, width: int = 1) -> None:
        """Channels divided by `width`."""
        super().__init__()
        channels = CHANNELS // width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, channels))
        self.mask_token = nn.Parameter(torch.zeros(1, channels))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, channels, PATCH, stride=PATCH)})
        self.blocks = nn.ModuleList(Block(channels) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        for tensor in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(tensor, std=0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        """The last block's patches after the norm, of either sign."""
        patches: Tensor = self.patch_embed["proj"](pictures)
        height, width = patches.shape[-2:]
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self.positions(height, width)
        for block in self.blocks:
            tokens = block(tokens)
        found: Tensor = self.norm(tokens)[:, 1:]
        return found.transpose(1, 2).reshape(len(found), -1, height, width)

    def positions(self, height: int, width: int) -> Tensor:
        """Of the class token and `height` x `width` patches, (1, 1 + h w, C): those learnt, resized bicubically."""
        if (height, width) == (GRID, GRID):
            return self.pos_embed
        learnt = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, GRID, GRID)
        resized = F.interpolate(learnt, (height, width), mode="bicubic", align_corners=False)
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], 1)

    @torch.no_grad()
    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up the released tensors (full width alone); `UserError` where they are those of another network."""
        for name, own in self.named_parameters():
            found = weights.get(name)
            if found is None or found.shape != own.shape:
                raise UserError(
                    f"the weights are not those of DINOv2's ViT-S/14: {name} should be of shape {tuple(own.shape)} "
                    f"(found: {'none' if found is None else tuple(found.shape)}); delete the file and its manifest in "
                    f"data/raw, and run snakemake"
                )
            own.copy_(found)
