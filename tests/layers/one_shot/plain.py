"""The same networks and losses step by step, as the specification writes them down: what the fast ones must equal.

`slowed` gives a generator or a discriminator these forward passes, in place; weights and names stay.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.one_shot.discriminator import Discriminator, Verdict
from pipeline.layers.one_shot.discriminator_block import ContentBlock, DownBlock
from pipeline.layers.one_shot.generator import Generator, GeneratorBlock, Made
from pipeline.layers.one_shot.spectral_norm import SpectralConv2d
from tests.layers.one_shot.plain_augmentation import content, layout, masked_layout


class PlainConv(SpectralConv2d):
    """One power iteration on one matrix in every forward pass in training."""

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            matrix = self.weight.flatten(1)
            if self.training:
                with torch.no_grad():
                    self.v.copy_(F.normalize(matrix.T @ self.u, dim=0, eps=1e-12))
                    self.u.copy_(F.normalize(matrix @ self.v, dim=0, eps=1e-12))
            kernel = self.weight / torch.dot(self.u.clone(), matrix @ self.v.clone())
        return F.conv2d(maps, kernel, self.bias, self.stride, self.padding)


class PlainGeneratorBlock(GeneratorBlock):
    def forward(self, maps: Tensor) -> Tensor:
        def up(x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=2, mode="nearest") if self.up else x

        main = self.first(up(F.leaky_relu(self.norms[0](maps), 0.2)))
        main = self.second(F.leaky_relu(self.norms[1](main), 0.2))
        return main + self.shortcut(up(maps))


class PlainDownBlock(DownBlock):
    def forward(self, maps: Tensor) -> Tensor:
        main = maps if self.is_first else F.leaky_relu(self.norms[0](maps), 0.2)
        main = F.leaky_relu(self.norms[1](self.first(main)), 0.2)
        return F.avg_pool2d(self.second(main), 2) + F.avg_pool2d(self.shortcut(maps), 2)


class PlainGenerator(Generator):
    def forward(self, latents: Tensor) -> Made:
        maps, images, features = self.first(latents[..., None, None]), [], []
        for block, head in zip(self.blocks, self.heads, strict=True):
            maps = block(maps)
            features.append(maps)
            images.append(torch.tanh(head(maps)))
        masks = None if self.mask is None else self.mask(maps).double().softmax(1).to(maps.dtype)
        return Made(images[::-1][: self.levels], masks, features)


class PlainDiscriminator(Discriminator):
    def forward(self, images, masks, *, real, bernoulli=False) -> Verdict:
        return self._judge(list(images), masks, real, bernoulli)

    def _pooled(self, features: Tensor, cells: Tensor | None, real: bool) -> Tensor:
        """Masked content attention object by object and sample by sample."""
        batch, augmentation = len(features), self.augmentation
        if not self.objects:
            rows = features.mean((2, 3))
        else:
            rows = torch.stack(
                [(cells[b, n] * features[b]).mean((1, 2)) for n in range(cells.shape[1]) for b in range(batch)]
            )
        if real and augmentation.content > 0:
            rows = torch.cat([content(rows[:batch], augmentation.content, augmentation.quirks), rows[batch:]])
        return rows

    def _laid_out(self, features: Tensor, cells: Tensor | None, real: bool) -> Tensor:
        augmentation = self.augmentation
        if not real or augmentation.layout <= 0:
            return features
        if self.objects:
            return masked_layout(features, cells, augmentation.layout, augmentation.quirks)
        return layout(features, augmentation.layout)


PLAIN = {
    SpectralConv2d: PlainConv,
    GeneratorBlock: PlainGeneratorBlock,
    DownBlock: PlainDownBlock,
    ContentBlock: ContentBlock,
    Generator: PlainGenerator,
    Discriminator: PlainDiscriminator,
}


def slowed(network: nn.Module) -> nn.Module:
    """`network` itself, with the plain forward passes."""
    for module in network.modules():
        if type(module) in PLAIN:
            module.__class__ = PLAIN[type(module)]
    return network


def diversity(features: list[Tensor]) -> Tensor:
    """Every layer and pair on its own."""
    layers, total = len(features), 0.0
    for maps in features:
        maps = maps.tanh()
        for k in range(len(maps)):
            for m in range(k + 1, len(maps)):
                total = total + (maps[k] - maps[m]).abs().mean()
    return -2 / (layers * (layers - 1)) * total


def objects(logits: Tensor, masks: Tensor, role: str) -> list[Tensor]:
    """One cross-entropy a block, by hand: the weighted mean over objects and samples of -log p(target)."""
    batch, count = masks.shape[:2]
    found = []
    for block in logits:
        total = weight = 0.0
        for n in range(count):
            area = masks[:, n].sum()
            w = 1.0 if role == "fake" else (0.0 if area == 0 else 1 / area)
            for b in range(batch):
                target = count if role == "fake" else n
                total = total - w * block[n * batch + b].log_softmax(0)[target]
                weight = weight + w
        found.append(total / weight)
    return found
