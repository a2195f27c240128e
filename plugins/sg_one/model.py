"""SG-One: compare every place of the query with the mean of the support's object, and segment (arXiv 1810.09091).

At full width a query of 3x375x500 gives maps of 256x47x63 (block 3) and 512x47x63 (blocks 4 and 5, g), segmentation
features of 128x47x63, a similarity of 47x63 and logits of 2x49x65, which are enlarged to 2x375x500. Parameters:
14,714,688 (VGG-16) + 2,359,808 (g) + 295,040 (s3) + 737,408 (s4) + 737,408 (s5) + 147,584 (c6) + 258 (exit) =
18,992,194.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.masked_pooling import cosine_map, masked_mean
from pipeline.layers.one_by_one import OneByOne, showing
from pipeline.layers.two_way import VoidRule
from pipeline.segmenter import Frame
from plugins.sg_one.layers import Guidance, Head, Interaction, Segmentation
from plugins.sg_one.training import Channels, Segment
from plugins.sg_one.trunks import Backbone, ExtraInputs, trunk

Input = Literal["image", "masked", "concat"]
Pooling = Literal["masked", "global"]
Similarity = Literal["cosine", "l2", "l2_neg", "l2_exp"]
Shots = Literal["average", "maximum"]


def build(
    *,
    backbone: Backbone = "vgg16",
    width: int = 1,
    support: Literal["shared", "separate"] = "shared",
    support_input: Input = "image",
    extra_inputs: ExtraInputs = "random",
    pooling: Pooling = "masked",
    similarity: Similarity = "cosine",
    segmentation: Interaction = "joined",
    relu: bool = False,
    pools: bool = True,
    exit_padding: int = 1,
    shots: Shots = "average",
    void_train: VoidRule = "ignore",
    channels: Channels = "rgb",
    samples: int = 100_000,
    batch: int = 1,
    learning_rate: float = 1e-5,
    scratch_rate: float = 5e-4,
    guide_rate: float = 10,
    bias_rate: float = 2,
    momentum: float = 0.99,
    decay: float = 5e-4,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "SgOne":
    """The whole network with its numbers, and its one stage of training.

    `weights["trunk"]` is torchvision's VGG-16, or the public SqueezeNet, of use at full width alone. `pools` is
    VGG-16's. A support that is `separate` has a trunk and a g of its own; `concat` gives it the mask and its inverse as
    two more channels, whose filters start as `extra_inputs` says. `segmentation`: `joined` with the guidance branch,
    `alone` beside it, or `none`. `scratch_rate` is the learning rate of a trunk, and of all the rest, without published
    weights; `guide_rate` and `bias_rate` are factors of it in the convolution g and in biases.
    """
    if support_input == "concat" and support == "shared":
        raise UserError(
            "support_input=concat gives the trunk five channels: set support=separate, for queries have three"
        )

    published = (weights or {}).get("trunk") if width == 1 else None

    def guidance(inputs: int) -> Guidance:
        own = trunk(backbone, width=width, inputs=inputs, pools=pools, extra_inputs=extra_inputs, weights=published)
        return Guidance(own, relu=relu)

    query = guidance(3)
    own = guidance(5 if support_input == "concat" else 3) if support == "separate" else None
    inputs, few = query.trunk.channels, 128 // width
    joined = segmentation == "joined"
    network = SgOne(
        query=query,
        support=own,
        segmentation=None if segmentation == "none" else Segmentation(inputs, few, joined=joined, relu=relu),
        head=Head(inputs[2] if segmentation == "none" else few, few, exit_padding=exit_padding),
        support_input=support_input,
        pooling=pooling,
        similarity=similarity,
        shots=shots,
        pretrained=published is not None,
    )
    network.stages = (
        Segment(
            network,
            samples=samples,
            batch=batch,
            learning_rate=scratch_rate if published is None else learning_rate,
            guide_rate=guide_rate,
            bias_rate=bias_rate,
            momentum=momentum,
            decay=decay,
            void=void_train,
            channels=channels,
        ),
    )
    return network


class View(NamedTuple):
    """All that is computed of a query's image: shared by any number of supports, and by its own turn as a support."""

    guidance: Tensor
    """(B, 512, h, w)."""
    segmentation: Tensor
    """(B, 128, h, w): s5; without a segmentation branch, the guidance once more."""


class SgOne(OneByOne[list[list[Tensor]]]):
    """Segments what resembles the mean feature of the supports' objects."""

    def __init__(
        self,
        *,
        query: Guidance,
        support: Guidance | None,
        segmentation: Segmentation | None,
        head: Head,
        support_input: Input,
        pooling: Pooling,
        similarity: Similarity,
        shots: Shots,
        pretrained: bool,
    ) -> None:
        """Supports go through `query` where they have no guidance branch of their own."""
        super().__init__()
        self.query, self.support, self.segmentation, self.head = query, support, segmentation, head
        self.support_input, self.pooling, self.similarity, self.shots = support_input, pooling, similarity, shots
        self.register_buffer("pretrained", torch.tensor(pretrained))
        self.trunk = "pretrained" if pretrained else "scratch"

    def forward(self, images: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        """Queries (B, 3, H, W) and supports (B, 3, h, w), uint8, masks (B, h, w) bool -> logits (B, 2, H, W)."""
        vectors = self.pool(self.guide(supports, masks), masks)
        return self.segment(self.look(images), vectors, (images.shape[-2], images.shape[-1]))

    def look(self, images: Tensor) -> View:
        """Both branches on query images (B, 3, H, W) uint8, before the similarity comes in."""
        maps = self.query(self.query.trunk.prepare(images))
        return View(maps.guidance, maps.guidance if self.segmentation is None else self.segmentation(maps))

    def guide(self, images: Tensor, masks: Tensor) -> Tensor:
        """Support images (B, 3, H, W) uint8 with masks (B, H, W) bool -> g (B, 512, h, w)."""
        branch = self.query if self.support is None else self.support
        pictures, inside = branch.trunk.prepare(images), masks.unsqueeze(1).float()
        if self.support_input == "masked":
            pictures = pictures * inside
        elif self.support_input == "concat":
            pictures = torch.cat([pictures, inside, 1 - inside], 1)
        guidance: Tensor = branch(pictures).guidance
        return guidance

    def pool(self, guidance: Tensor, masks: Tensor) -> Tensor:
        """Features g (B, C, h, w) under masks (B, H, W), or all of them -> vectors (B, C) float32."""
        return masked_mean(guidance, masks) if self.pooling == "masked" else guidance.float().mean((2, 3))

    def segment(self, view: View, vectors: Tensor, size: tuple[int, int]) -> Tensor:
        """Compare with vectors (B, C), multiply and decode: logits (B, 2, *size) float32 of background and object."""
        logits = self.head(view.segmentation * self.compare(view.guidance, vectors).unsqueeze(1))
        return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)

    def compare(self, guidance: Tensor, vectors: Tensor) -> Tensor:
        """Features g (B, C, h, w) with vectors (B, C) -> (B, h, w): cosines, or distances d, -d or exp(-d)."""
        if self.similarity == "cosine":
            return cosine_map(guidance, vectors)
        distances: Tensor = torch.linalg.vector_norm(guidance.float() - vectors[:, :, None, None], dim=1)
        return {"l2": distances, "l2_neg": -distances, "l2_exp": torch.exp(-distances)}[self.similarity]

    def learn(self, supports: Sequence[Frame], objects: int) -> list[list[Tensor]]:
        """For each object the vectors (1, C) of the supports that show it, or their mean (section 4.2)."""
        return [self._vectors(supports, number) for number in range(1, objects + 1)]

    def answer(self, known: list[list[Tensor]], query: Frame) -> Tensor:
        """Probabilities (1, O, H, W) of each object by itself, the largest over its vectors; 0 where none shows it."""
        view, size = self._view(query), (query.images.shape[-2], query.images.shape[-1])
        most = []
        for vectors in known:
            each = [self.segment(view, vector, size).softmax(1)[:, 1] for vector in vectors]
            most.append(torch.stack(each).amax(0) if each else query.images.new_zeros((1, *size), dtype=torch.float32))
        return torch.stack(most, 1)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunk came."""
        super().load_weights(weights)
        self.trunk = "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    def _view(self, frame: Frame) -> View:
        return self.remember("view", frame, lambda: self.look(frame.images))

    def _vectors(self, supports: Sequence[Frame], number: int) -> list[Tensor]:
        found = [self._vector(frame, mask) for frame, mask in showing(supports, number)]
        return [torch.stack(found).mean(0)] if found and self.shots == "average" else found

    def _vector(self, frame: Frame, mask: Tensor) -> Tensor:
        """Of one image, (1, C); from its view, which may be remembered, where a support is seen as a query is."""
        alike = self.memory is not None and self.support is None and self.support_input == "image"

        def compute() -> Tensor:
            guidance = self._view(frame).guidance if alike else self.guide(frame.images, mask)
            return self.pool(guidance, mask)

        own = Frame(frame.images, mask, frame.ids)
        return self.remember("vector", own, compute, masks=self.pooling == "masked" or self.support_input != "image")
