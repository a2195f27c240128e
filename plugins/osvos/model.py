"""OSVOS: one-shot video object segmentation by fine-tuning on the first frame (Caelles et al., CVPR 2017).

VGG-16 in five stages; 16 channels from each of stages 2 to 5, enlarged to the frame and fused into one logit. A parent
network learns what objects look like; a copy of it for each object of a video is tuned on the annotated frame, then
segments every frame by itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports
from plugins.osvos.frames import fitted, image_at, size_of
from plugins.osvos.network import TRUNKS, Network
from plugins.osvos.online import Online, Pairs
from plugins.osvos.training import Parent, ParentLoss


def build(
    *,
    trunk: Literal["vgg16", "squeezenet"] = "vgg16",
    width: int = 1,
    longer: int | None = None,
    static_samples: int = 0,
    samples: int = 498_960,
    accumulate: int = 10,
    learning_rate: float = 1e-8,
    momentum: float = 0.9,
    decay: float = 2e-4,
    passes: int = 10_000,
    online_batch: int = 5,
    online_rate: float = 1e-8,
    original_share: float | None = 0.5,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "Osvos":
    """The network with its numbers and the stages of the parent: images of objects, if any, then frames of videos.

    `weights["trunk"]` holds published weights of the trunk, of use at full width alone. `longer` is the longer side of
    the frames that the network sees, None for their own. `original_share` is the chance of a pass to see the original
    pair where there are synthetic ones, None for that of any other pair.
    """
    network = Network(TRUNKS[trunk](width, (weights or {}).get("trunk")))
    online = Online(passes, online_batch, online_rate, momentum, decay, original_share)
    segmenter = Osvos(network, online=online, longer=longer)
    losses, before, stages = ParentLoss(network, longer), 0, []
    for name, data, count in (("static", "static/train", static_samples), ("parent", "davis16_train/train", samples)):
        if not count:
            continue
        stages.append(
            Parent(
                losses,
                name=name,
                data=data,
                samples=count,
                before=before,
                total=static_samples + samples,
                accumulate=accumulate,
                learning_rate=learning_rate,
                momentum=momentum,
                decay=decay,
            )
        )
        before += count
    segmenter.stages = tuple(stages)
    return segmenter


class Osvos(Segmenter):
    """Tunes a copy of its network for every object, and forgets it after the video."""

    def __init__(self, network: Network, *, online: Online, longer: int | None) -> None:
        """The parent network, and how copies of it are tuned."""
        super().__init__()
        self.network, self.online, self.longer = network, online, longer
        self._name_trunk()

    def adapt(self, supports: Supports) -> list[list[Network]]:
        """A network for each object of each of B episodes; `UserError` where tuning diverges."""
        device = supports.frames[0].images.device
        dtype = torch.get_autocast_dtype(device.type)
        half = torch.is_autocast_enabled(device.type) and dtype == torch.bfloat16  # float16 would overflow
        # Without a cache: weights change, and so must their copies in half precision.
        with torch.enable_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half, cache_enabled=False):
            return [self._tuned(self._pairs(supports, b), supports) for b in range(len(supports.frames[0].images))]

    def predict(self, state: list[list[Network]], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Sigmoids of every object's own logits, at the query's size."""
        for query in queries:
            rows = [self._probabilities(networks, query.images[b : b + 1]) for b, networks in enumerate(state)]
            yield Prediction(probabilities=torch.cat(rows))

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunk came."""
        super().load_weights(weights)
        self._name_trunk()

    def _name_trunk(self) -> None:
        self.trunk = "pretrained" if bool(self.network.trunk.get_buffer("pretrained")) else "scratch"

    def _tuned(self, pairs: Pairs, supports: Supports) -> list[Network]:
        return [self.online(self.network, pairs, number) for number in range(1, supports.objects + 1)]

    def _pairs(self, supports: Supports, b: int) -> Pairs:
        """All pairs of episode `b`, at the size at which the network sees its first support."""
        frames = [*(frame.part(slice(b, b + 1)) for frame in supports.frames), *supports.extra]
        height, width = frames[0].images.shape[-2:]
        size = size_of(height, width, self.longer)
        images, masks = [], []
        for frame in frames:
            if frame.masks is None:
                raise UserError("OSVOS learns from masks: a support has none")
            image, mask = fitted(frame.images, frame.masks, size)
            images.append(image)
            masks.append(mask)
        return Pairs(torch.cat(images), torch.cat(masks), len(supports.frames), supports.standard, supports.seed)

    def _probabilities(self, networks: list[Network], image: Tensor) -> Tensor:
        """(1, O, H, W) of one image (1, 3, H, W)."""
        height, width = image.shape[-2:]
        seen = image_at(image, size_of(height, width, self.longer))
        found = torch.stack([network(seen).sigmoid() for network in networks], 1)
        if found.shape[-2:] == (height, width):
            return found
        return F.interpolate(found, (height, width), mode="bilinear").clamp(0, 1)
