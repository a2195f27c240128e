"""MaskNet: segment around every place first, then decide which segmentation shows the target (paper, section 3.2).

Shapes at the published width f = 24: target 3x32x32 -> 384; scene 3x96x96 -> 384x12x12; 144 proposals 2x96x96, each cut
out to 32x32, embedded to 384 and compared with the target. Parameters: 984,096 (target) + 984,096 (scene) + 1,255,730
(decoder) + 984,096 (discriminator) + 384 (comparison) = 4,208,402.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from pipeline.centre import centre_of_mass
from pipeline.layers.clutter import Decoder, Encoder
from pipeline.layers.comparison import Comparison
from pipeline.layers.crops import Crop, crop
from pipeline.layers.proposals import Proposals, Seeds
from pipeline.layers.proposing import SCENE, TARGET, ProposalSegmenter
from pipeline.segmenter import Frame
from plugins.masknet.training import Discriminate, Negatives, Propose

THRESHOLD = 0.3
"""Of a proposal's probabilities, where it is made a mask."""
CropSource = Literal["mask", "masked_scene"]


def build(
    *,
    features: int = 24,
    proposal_samples: int = 10_000_000,
    proposal_batch: int = 50,
    proposal_rate: float = 5e-5,
    discriminator_samples: int = 10_000_000,
    discriminator_batch: int = 250,
    discriminator_rate: float = 2.5e-4,
    epochs: int = 5,
    decay: float = 1e-9,
    targeted: bool = True,
    seeds: Seeds = "target",
    negatives: Negatives = "any",
    crop: Crop = "integer",
    crop_source: CropSource = "mask",
    crop_values: Literal["unit", "standardized"] = "unit",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "MaskNet":
    """The whole network with its numbers, and its two stages of training.

    `weights` hold a Siamese U-Net's tensors (`start`) or a trained MaskNet's (`proposals`); without
    `proposal_samples` the first stage is left out and the latter are needed.
    """
    f = features
    channels = (2 * f, 4 * f, 8 * f, 8 * f, 16 * f, 16 * f)  # e1..e6; at f = 24: 48, 96, 192, 192, 384, 384
    network = MaskNet(
        proposals=Proposals(
            target=Encoder(channels),
            scene=Encoder(channels),
            decoder=Decoder(channels, (1, 2, 3, 3, 3, 3), logit_norm=True),
            targeted=targeted,
            seeds=seeds,
        ),
        discriminator=Encoder(channels),
        comparison=Comparison(channels[-1]),
        crop=crop,
        crop_source=crop_source,
        standardized=crop_values == "standardized",
    )
    given = dict(weights or {})
    if "start" in given:
        network.proposals.load_state_dict(dict(given["start"]))
    if "proposals" in given:
        network.load_state_dict(dict(given["proposals"]))
    propose = Propose(
        network,
        samples=proposal_samples,
        batch=proposal_batch,
        learning_rate=proposal_rate,
        epochs=epochs,
        decay=decay,
        negatives=negatives,
        started="start" in given,
    )
    discriminate = Discriminate(
        network,
        samples=discriminator_samples,
        batch=discriminator_batch,
        learning_rate=discriminator_rate,
        epochs=epochs,
        decay=decay,
        negatives=negatives,
        proposed=proposal_samples > 0 or "proposals" in given,
    )
    network.stages = (propose, discriminate) if proposal_samples else (discriminate,)
    return network


class MaskNet(ProposalSegmenter):
    """Proposes a segmentation from each of 144 cells and answers with the one whose shape fits the target best."""

    scene_pixels: Tensor

    def __init__(
        self,
        *,
        proposals: Proposals,
        discriminator: Encoder,
        comparison: Comparison,
        crop: Crop,
        crop_source: CropSource,
        standardized: bool,
    ) -> None:
        """`standardized` crops are 255 times themselves, minus mean over deviation of the first 1,000 scenes (code)."""
        super().__init__(proposals)
        self.discriminator, self.comparison = discriminator, comparison
        self.crop, self.crop_source, self.standardized = crop, crop_source, standardized
        if standardized:  # pixels, their sum and the sum of their squares
            self.register_buffer("scene_pixels", torch.zeros(3, dtype=torch.float64))

    def judge(self, maps: Tensor, target: Tensor, pictures: Tensor, query: Frame, number: int) -> Tensor:
        """How similar each proposal's shape is to the target."""
        return self.score(target, maps > THRESHOLD, pictures)

    def score(self, target: Tensor, masks: Tensor, pictures: Tensor) -> Tensor:
        """How much the shapes of masks (B, P, 96, 96) bool, in pictures (B, 3, 96, 96), are the target's (B, C).

        Scores (B, P) in (0, 1).
        """
        centres = centre_of_mass(masks).flatten(0, 1)
        shown = masks.unsqueeze(2).float()
        if self.crop_source == "masked_scene":
            shown = shown * pictures.unsqueeze(1)
        crops = crop(shown.flatten(0, 1), centres, TARGET, self.crop)
        crops = self._standardize(crops).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        shapes = self.discriminator.embed(crops).view(*masks.shape[:2], -1)
        scores: Tensor = self.comparison(shapes, target.unsqueeze(1))
        return scores

    def measure(self, scenes: Tensor) -> None:
        """Add scenes (B, 3, 96, 96) in [0, 1] to the statistics of standardized crops, up to about 1,000 of them."""
        if self.standardized and self.scene_pixels[0] < 1000 * 3 * SCENE * SCENE:
            values = scenes.double() * 255
            count = values.new_tensor(values.numel())
            self.scene_pixels.add_(torch.stack([count, values.sum(), values.square().sum()]))

    def _standardize(self, crops: Tensor) -> Tensor:
        if not self.standardized:
            return crops
        count, total, squares = self.scene_pixels.float()
        mean = total / count
        scaled: Tensor = (crops * 255 - mean) / (squares / count - mean.square()).sqrt()
        return scaled
