"""Siamese U-Net: two encoders, matching by a heat map of inner products, a decoder with skips (paper, section 3.1).

Shapes at the published width f = 24: target 3x32x32 -> 384x1x1; scene 3x96x96 -> 384x12x12; logits 2x96x96.
Parameters: 984,096 + 984,096 (encoders) + 1,255,730 (decoder) = 3,223,922.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.clutter import Decoder, Encoder, layer_norm, published_schedule
from pipeline.layers.targets import Targets, show_targets
from pipeline.segmenter import Batch, Frame, Prediction, Segmenter, Supports
from pipeline.train.supervised import Supervised

Colour = Literal["rgb", "grey", "white"]
TARGET, SCENE = 32, 96
"""Side of the target picture and of the scene, in pixels."""


def build(
    *,
    features: int = 24,
    samples: int = 40_000_000,
    batch: int = 250,
    epochs: int = 20,
    learning_rate: float = 5e-4,
    decay: float = 1e-9,
    logit_norm: bool = True,
    matching: Literal["inner_product", "cosine"] = "inner_product",
    decoder_kernels: Literal["code", "paper"] = "code",
    tied: bool = False,
    target_colour: Colour = "rgb",
    accumulate: int = 1,
) -> "SiameseUNet":
    """The whole network with its numbers, and its one stage of training."""
    f = features
    channels = (2 * f, 4 * f, 8 * f, 8 * f, 16 * f, 16 * f)  # e1..e6; at f = 24: 48, 96, 192, 192, 384, 384
    kernels = (1, 2, 3, 3, 3, 3) if decoder_kernels == "code" else (3, 3, 3, 3, 3, 3)  # d6..d1
    scene = Encoder(channels)
    network = SiameseUNet(
        target=scene if tied else Encoder(channels),
        scene=scene,
        decoder=Decoder(channels, kernels, logit_norm=logit_norm),
        matching=matching,
        target_colour=target_colour,
    )
    network.stages = (
        Supervised(
            PixelCrossEntropy(network),
            name="segment",
            **published_schedule(samples=samples, batch=batch, learning_rate=learning_rate, epochs=epochs, decay=decay),
            accumulate=accumulate,
        ),
    )
    return network


class SiameseUNet(Segmenter):
    """Finds the target in the scene and segments it."""

    def __init__(
        self, *, target: Encoder, scene: Encoder, decoder: Decoder, matching: str, target_colour: Colour
    ) -> None:
        """Encoders are separate copies unless `target` is `scene`."""
        super().__init__()
        self.target_colour = target_colour
        self.target, self.scene, self.decoder, self.matching = target, scene, decoder, matching

    def forward(self, targets: Tensor, scenes: Tensor) -> Tensor:
        """Targets (B, 3, 32, 32) and scenes (B, 3, 96, 96) in [0, 1] -> logits (B, 2, 96, 96): background, target."""
        return self.decode(self.embed(targets), self.scene(scenes))

    def embed(self, targets: Tensor) -> Tensor:
        """Target pictures (B, 3, 32, 32) -> embeddings (B, 16 f)."""
        if self.target_colour == "grey":
            targets = targets.mean(1, keepdim=True).expand_as(targets)
        elif self.target_colour == "white":
            targets = (targets.amax(1, keepdim=True) > 0).to(targets.dtype).expand_as(targets)
        return self.target.embed(targets)

    def decode(self, target: Tensor, skips: list[Tensor]) -> Tensor:
        """Match the target's embedding (B, C) with the scene's cells, then decode: logits (B, 2, 96, 96)."""
        cells = skips[-1]
        if self.matching == "cosine":
            heat = F.cosine_similarity(cells, target[:, :, None, None], dim=1).unsqueeze(1)
        else:
            heat = torch.einsum("bchw,bc->bhw", cells, target).unsqueeze(1)
        logits: Tensor = self.decoder(layer_norm(heat * target[:, :, None, None]), skips)
        return logits

    def adapt(self, supports: Supports) -> Targets:
        """Cut the objects out of the supports and embed them."""
        return show_targets(supports, TARGET, self.embed)

    def predict(self, state: Targets, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Probability of each object, averaged over the supports that show it; 0 for one that none shows."""
        for query in queries:
            size = query.images.shape[-2:]
            scenes = query.images.float() / 255
            if size != (SCENE, SCENE):
                scenes = F.interpolate(scenes, (SCENE, SCENE), mode="bilinear", antialias=True)
            maps = state.average(partial(self._probability, skips=self.scene(scenes)))
            if size != (SCENE, SCENE):
                maps = F.interpolate(maps, size, mode="bilinear")
            yield Prediction(probabilities=maps)

    def _probability(self, target: Tensor, skips: list[Tensor]) -> Tensor:
        return self.decode(target, skips).float().softmax(1)[:, 1]


class PixelCrossEntropy(nn.Module):
    """Two-class cross entropy, averaged over all pixels, unweighted (paper, section 4)."""

    def __init__(self, network: SiameseUNet) -> None:
        """Of `network`'s logits."""
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, and the mean IoU at 0.3 of the batch, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert query.masks is not None
        targets = (support.images.float() / 255).contiguous(memory_format=torch.channels_last)
        scenes = (query.images.float() / 255).contiguous(memory_format=torch.channels_last)
        logits = self.network(targets, scenes).float()
        loss = F.cross_entropy(logits, query.masks.long())
        with torch.no_grad():
            found = logits.softmax(1)[:, 1] > 0.3
            true = query.masks == 1
            union = (found | true).sum((1, 2))
            iou = torch.where(union > 0, (found & true).sum((1, 2)) / union.clamp(min=1), 1.0).mean()
        return {"loss": loss, "iou": iou}
