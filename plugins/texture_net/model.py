"""TextureNet: embed every pixel of image and reference, search by correlation, decode (arXiv 1807.02654).

Shapes at full width: image 3x256x256 and reference 3x64x64 -> trunk 64x256x256 .. 512x16x16 and 64x64x64 .. 512x4x4 ->
embeddings 64x256x256 and 64x64x64 -> similarity 1x256x256 -> logits 1x256x256. Any other size of at least 16 pixels
works. Parameters: 12,944,960 (trunk, VGG-19) + 17,881,152 (encoder) + 686,017 (decoder) = 31,512,129.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.layers.correlation import correlate
from pipeline.layers.vgg import Depth, Trunk, normalized
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports
from plugins.texture_net.layers import Colours, Decoder, Encoder
from plugins.texture_net.references import Patch, Reference, cut, empty
from plugins.texture_net.training import Segment

Embedder = Literal["five_blocks", "four_blocks", "rgb"]
Similarity = Literal["constant", "mean"]


def build(
    *,
    width: int = 1,
    vgg: Depth = "vgg19",
    encoder: Embedder = "five_blocks",
    similarity: Similarity = "constant",
    patch: int = 64,
    smallest: int = 16,
    pretrained: bool = True,
    otherwise: Literal["trained", "frozen"] = "trained",
    variable: bool = False,
    patches: Sequence[int] = tuple(range(16, 129, 8)),
    samples: int = 8_000_000,
    batch: int = 8,
    learning_rate: float = 1e-5,
    calibration: int = 64,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "TextureNet":
    """The whole network with its numbers, and its one stage of training.

    `weights` hold torchvision's VGG (`trunk`; of use at full width alone) or a trained TextureNet (`start`, which a
    `variable` model needs). A trunk without pretrained weights is trained with the rest or frozen as it is drawn, as
    `otherwise` says; without `pretrained` it is trained. `patch` is the side of the references that are trained on,
    `smallest` that of those that are taken at all, `patches` the sides that a variable model is tuned on.
    """
    given = dict(weights or {})
    trunk = Trunk(vgg, width)
    if pretrained and width == 1 and "trunk" in given:
        trunk.load_torchvision(given["trunk"])
    channels, few = trunk.channels, max(64 // width, 16)
    widths = [count // width for count in (512, 512, 256, 128, 128)]
    network = TextureNet(
        trunk=trunk,
        encoder=Colours(few) if encoder == "rgb" else Encoder(channels, widths, few, 4 if encoder[:4] == "four" else 5),
        decoder=Decoder(channels, few),
        similarity=similarity,
        patch=patch,
        smallest=smallest,
    )
    if "start" in given:
        network.load_weights(given["start"])
    network.stages = (
        Segment(
            network,
            name="tune" if variable else "segment",
            samples=samples,
            batch=batch,
            learning_rate=learning_rate,
            sides=tuple(patches) if variable else (patch,),
            calibration=calibration,
            train_trunk=not pretrained or otherwise == "trained",
            ready=not variable or "start" in given,
        ),
    )
    network.show_trunk()
    return network


@dataclass(frozen=True)
class View:
    """All that is computed of an image before the reference is known: shared by any number of references."""

    maps: list[Tensor]
    """The trunk's, (B, C, H, W) and smaller."""
    embeddings: Tensor
    """(B, C, H, W) unit vectors."""


class TextureNet(Segmenter):
    """Segments what has the texture of a reference patch."""

    def __init__(
        self, *, trunk: Trunk, encoder: nn.Module, decoder: Decoder, similarity: Similarity, patch: int, smallest: int
    ) -> None:
        """One encoder embeds images and references; `similarity` is a sum over `patch` squared, or a mean."""
        super().__init__()
        self.vgg, self.encoder, self.decoder = trunk, encoder, decoder
        self.similarity, self.patch, self.smallest = similarity, patch, smallest

    def forward(self, images: Tensor, references: Tensor) -> Tensor:
        """Images (B, 3, H, W) and references (B, 3, h, w), uint8 -> logits (B, H, W)."""
        area = torch.full((len(references),), float(references[0, 0].numel()), device=references.device)
        return self.segment(self.look(images), self.look(references).embeddings, area)

    def look(self, images: Tensor) -> View:
        """The trunk's maps and the embeddings of images (B, 3, H, W) uint8."""
        pictures = normalized(images)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_trunk):
            maps = self.vgg(pictures)
        return View(maps, F.normalize(self.encoder(pictures, maps).float(), dim=1))

    def segment(self, view: View, references: Tensor, area: Tensor) -> Tensor:
        """Search for embedded references (B, C, h, w) of `area` (B,) pixels, and decode: logits (B, H, W)."""
        divisor = area if self.similarity == "mean" else torch.full_like(area, self.patch**2)
        found = correlate(view.embeddings, references) / divisor[:, None, None, None]
        logits: Tensor = self.decoder(found, view.maps)
        return logits.squeeze(1).float()

    @property
    def trains_trunk(self) -> bool:
        """Whether gradients reach the trunk."""
        return any(p.requires_grad for p in self.vgg.parameters())

    def adapt(self, supports: Supports) -> list[list[Reference | None]]:
        """Embed each object of each support, and last its background where no object is: K lists of O + 1.

        `UserError` for a reference below the smallest side.
        """
        return [
            [self._refer(frame, number) for number in [*range(1, supports.objects + 1), 0]] for frame in supports.frames
        ]

    def predict(self, state: list[list[Reference | None]], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """The largest probability over the supports that show an object, times 1 - that of the background examples.

        So do several patches work together in the paper's video (Figure 5). 0 for an object that none shows.
        """
        for query in queries:
            view = self.look(query.images)
            *objects, background = (self._most(view, list(column)) for column in zip(*state, strict=True))
            yield Prediction(probabilities=torch.stack(objects, 1) * (1 - background.unsqueeze(1)))

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunk came."""
        super().load_weights(weights)
        self.show_trunk()

    def show_trunk(self) -> None:
        """Say in `trunk` what the trunk's weights began as."""
        self.trunk = "pretrained" if bool(self.vgg.get_buffer("pretrained")) else "scratch"

    def _most(self, view: View, references: Sequence[Reference | None]) -> Tensor:
        """The largest of the references' probabilities, (B, H, W); 0 where none is shown."""
        most = view.embeddings[:, 0].new_zeros(view.embeddings[:, 0].shape)
        for reference in references:
            if reference is not None:
                found = self.segment(view, reference.embeddings, reference.area).sigmoid()
                most = torch.where(reference.shown[:, None, None] & (found > most), found, most)
        return most

    def _refer(self, frame: Frame, number: int) -> Reference | None:
        """Embed object `number`, or the background, 0, of frames without any object; None where there is nothing."""
        patches = cut(frame, number, self.patch)
        shown = torch.stack([patch.inside.any() for patch in patches])
        if number == 0:
            shown = shown & empty(frame)
        if not bool(shown.any()):
            return None
        sizes = {tuple(patch.inside.shape) for patch in patches}
        for height, width in sizes:
            if min(height, width) < self.smallest:
                raise UserError(
                    f"a reference of {width}x{height} pixels is too small: give one of at least "
                    f"{self.smallest}x{self.smallest}"
                )
        together = [patches] if len(sizes) == 1 else [[patch] for patch in patches]
        embeddings = _side_by_side([self._embed(part) for part in together])
        area = torch.tensor([float(patch.inside.numel()) for patch in patches], device=embeddings.device)
        return Reference(embeddings, area, shown)

    def _embed(self, patches: Sequence[Patch]) -> Tensor:
        """Unit vectors of patches of one size, (B, C, h, w): 0 outside the object, and larger inside by as much.

        So a patch that lies in the object to a half scores as much, where all of it is found, as one that fills it.
        """
        embeddings = self.look(torch.stack([patch.picture for patch in patches])).embeddings
        inside = torch.stack([patch.inside for patch in patches]).to(embeddings.dtype)
        share = inside.mean((1, 2)).clamp(min=1 / inside[0].numel())
        return embeddings * (inside / share[:, None, None]).unsqueeze(1)


def _side_by_side(embeddings: Sequence[Tensor]) -> Tensor:
    """Embeddings (b, C, h, w) of several sizes as one (B, C, ., .): zeros around them leave the search as it is."""
    if len(embeddings) == 1:
        return embeddings[0]
    height, width = (max(e.shape[axis] for e in embeddings) for axis in (2, 3))
    padded = []
    for e in embeddings:
        above, before = (
            (full - 1) // 2 - (own - 1) // 2 for full, own in zip((height, width), e.shape[2:], strict=True)
        )
        padded.append(F.pad(e, (before, width - e.shape[3] - before, above, height - e.shape[2] - above)))
    return torch.cat(padded)
