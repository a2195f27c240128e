"""The plain way to MaskNet's proposals: one whole seed map and one copy of the skips for every proposal."""

from torch import Tensor

from pipeline.layers.clutter import Decoder, layer_norm


def decode(decoder: Decoder, skips: list[Tensor], seeds: Tensor, cells: Tensor) -> Tensor:
    """Seeds (B, P, C) at cells (B, P) -> logits (B, P, 2, 96, 96), by the decoder as it stands."""
    batch, count = cells.shape
    maps = seeds.new_zeros(batch, count, seeds.shape[-1], 144)
    maps.scatter_(3, cells[:, :, None, None].expand(-1, -1, seeds.shape[-1], 1), seeds.unsqueeze(-1))
    matched = layer_norm(maps.view(batch * count, -1, 12, 12))
    return decoder(matched, [skip.repeat_interleave(count, 0) for skip in skips]).view(batch, count, 2, 96, 96)
