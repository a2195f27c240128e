"""PL+SEG, a reconstruction: prototypes of object and background weight what a second network sees in the query.

Dong and Xing, "Few-shot semantic segmentation with prototype learning", BMVC 2018. Its authors released no code and its
details were not at hand: this is the architecture as it is commonly described, and no number of it is theirs.

Shapes at full width, query 3x375x500: embeddings 512x47x63, features 256x47x63, similarity 2x47x63, logits 2x47x63 ->
2x375x500; support 3xHxW -> prototypes 2x512. Parameters: 14,714,688 (prototype learner) + 14,714,688 + 1,179,904
(segmentor) + 295,175 (fusion) = 30,904,455.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.masked_pooling import masked_mean
from pipeline.layers.one_by_one import OneByOne, showing
from pipeline.layers.vgg import he_convolution, normalized
from pipeline.segmenter import VOID, Frame
from plugins.pl_seg.crf import Kernels, refine
from plugins.pl_seg.layers import Fusion, Trunk8, similarities
from plugins.pl_seg.training import Segment, Void


def build(
    *,
    width: int = 1,
    scale: float = 20,
    samples: int = 100_000,
    batch: int = 1,
    learning_rate: float = 1e-5,
    momentum: float = 0.99,
    decay: float = 5e-4,
    prototype_loss: float = 1,
    void_train: Void = "ignore",
    crf: bool = False,
    crf_iterations: int = 5,
    crf_grid: int = 40,
    crf_appearance: Sequence[float] = (10, 80, 13),
    crf_smoothness: Sequence[float] = (3, 3),
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "PlSeg":
    """The whole network with its numbers, and its one stage of training.

    `weights["trunk"]` is torchvision's VGG-16, which both trunks start from at full width. `scale` multiplies half the
    squared distances of unit vectors. A CRF refines predictions: `crf_appearance` is a weight and standard deviations
    in pixels and grey levels, `crf_smoothness` a weight and pixels.
    """
    deep, features, hidden = 512 // width, 256 // width, 128 // width
    learner, segmentor = Trunk8(width=width), Trunk8(width=width)
    published = (weights or {}).get("trunk") if width == 1 else None
    if published is not None:
        learner.vgg.load_torchvision(published)
        segmentor.vgg.load_torchvision(published)
    network = PlSeg(
        learner=learner,
        segmentor=nn.Sequential(segmentor, he_convolution(deep, features), nn.ReLU()),
        fusion=Fusion(features, hidden),
        scale=scale,
        kernels=Kernels(*crf_appearance, *crf_smoothness) if crf else None,
        iterations=crf_iterations,
        grid=crf_grid,
        pretrained=published is not None,
    )
    network.stages = (
        Segment(
            network,
            samples=samples,
            batch=batch,
            learning_rate=learning_rate,
            momentum=momentum,
            decay=decay,
            prototype_loss=prototype_loss,
            void=void_train,
        ),
    )
    return network


class View(NamedTuple):
    """What is computed of a query before any prototype is known."""

    embeddings: Tensor
    """(B, 512, h, w): what prototypes are compared with."""
    features: Tensor
    """(B, 256, h, w): what the comparison weights."""


class PlSeg(OneByOne[list[Tensor | None]]):
    """Segments by the similarity to prototypes, and by what a segmentor sees where it is high."""

    def __init__(
        self,
        *,
        learner: nn.Module,
        segmentor: nn.Module,
        fusion: Fusion,
        scale: float,
        kernels: Kernels | None,
        iterations: int,
        grid: int,
        pretrained: bool,
    ) -> None:
        """`kernels` are those of the CRF, None without one."""
        super().__init__()
        self.learner, self.segmentor, self.fusion, self.scale = learner, segmentor, fusion, scale
        self.kernels, self.iterations, self.grid = kernels, iterations, grid
        self.register_buffer("pretrained", torch.tensor(pretrained))
        self._show_trunk()

    def forward(self, images: Tensor, supports: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, 3, H, W), supports (B, 3, h, w) and masks (B, h, w), uint8 -> logits of both parts.

        (B, 2, H, W) float32 each: the segmentor's, and the softmax's over negative distances.
        """
        view, size = self.look(images), (images.shape[-2], images.shape[-1])
        compared = similarities(view.embeddings, self.prototypes(self.embed(supports), masks, 1), self.scale)
        return enlarged(self.fusion(view.features, compared.softmax(1)), size), enlarged(compared, size)

    def embed(self, images: Tensor) -> Tensor:
        """The prototype learner on images (B, 3, H, W) uint8 -> (B, 512, h, w)."""
        embeddings: Tensor = self.learner(normalized(images))
        return embeddings

    def look(self, images: Tensor) -> View:
        """Both networks on query images (B, 3, H, W) uint8."""
        return View(self.embed(images), self.segmentor(normalized(images)))

    def prototypes(self, embeddings: Tensor, masks: Tensor, number: int) -> Tensor:
        """Means of embeddings (B, C, h, w) over background and object of masks (B, H, W) -> (B, 2, C) float32.

        All that is neither object `number` nor void is background.
        """
        background = (masks != number) & (masks != VOID)
        return torch.stack([masked_mean(embeddings, mask) for mask in (background, masks == number)], 1)

    def segment(self, view: View, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """A query's view and prototypes (B, 2, C) -> probabilities (B, *size) of the object, before any CRF."""
        compared = similarities(view.embeddings, prototypes, self.scale)
        return enlarged(self.fusion(view.features, compared.softmax(1)), size).softmax(1)[:, 1]

    def learn(self, supports: Sequence[Frame], objects: int) -> list[Tensor | None]:
        """For each object the mean prototypes (1, 2, C) of the supports that show it, None where none does."""
        return [self._average(supports, number) for number in range(1, objects + 1)]

    def answer(self, known: list[Tensor | None], query: Frame) -> Tensor:
        """Probability of each object by itself, (1, O, H, W); 0 for one that no support shows."""
        view, size = self._view(query), (query.images.shape[-2], query.images.shape[-1])
        absent = torch.zeros(1, *size, device=query.images.device)
        found = [absent if p is None else self._refined(self.segment(view, p, size), query.images) for p in known]
        return torch.stack(found, 1)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunks came."""
        super().load_weights(weights)
        self._show_trunk()

    def _show_trunk(self) -> None:
        self.trunk = "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    def _embeddings(self, frame: Frame) -> Tensor:
        return self.remember("embeddings", frame, lambda: self.embed(frame.images))

    def _view(self, frame: Frame) -> View:
        features: Tensor = self.remember("features", frame, lambda: self.segmentor(normalized(frame.images)))
        return View(self._embeddings(frame), features)

    def _average(self, supports: Sequence[Frame], number: int) -> Tensor | None:
        found = [self._prototypes(frame, number) for frame, _ in showing(supports, number)]
        return torch.stack(found).mean(0) if found else None

    def _prototypes(self, frame: Frame, number: int) -> Tensor:
        masks = frame.masks
        assert masks is not None

        def compute() -> Tensor:
            return self.prototypes(self._embeddings(frame), masks, number)

        return self.remember(f"prototypes{number}", frame, compute, masks=True)

    def _refined(self, probabilities: Tensor, images: Tensor) -> Tensor:
        if self.kernels is None:
            return probabilities
        refined = refine(probabilities[0], images[0], self.kernels, iterations=self.iterations, grid=self.grid)
        return refined.unsqueeze(0)


def enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear enlargement of (B, C, h, w) to (B, C, *size), float32."""
    return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)
