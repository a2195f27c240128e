"""Training of OSVOS: the class-balanced loss, its groups of parameters, and the parent network."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.squeezenet import BGR_MEAN
from pipeline.layers.standard import augmented
from pipeline.segmenter import Batch
from pipeline.train.accumulated import Accumulated
from plugins.osvos.frames import resized
from plugins.osvos.network import Network

BORDER = BGR_MEAN[::-1]
"""What lies beyond an augmented frame: 0, once the mean is subtracted."""
EPOCHS = 240
"""Steps in which the weight of the side losses falls."""


def balanced(logits: Tensor, objects: Tensor) -> Tensor:
    """Logits (B, H, W) against masks (B, H, W) bool -> (B,): cross entropy summed over an image's pixels.

    Those of the object weigh the share of the others in this image, and the others that of the object (Caelles et al.
    2017, equation 2; Xie and Tu 2015).
    """
    each = F.binary_cross_entropy_with_logits(logits, objects.to(logits.dtype), reduction="none")
    share = objects.float().mean((1, 2), keepdim=True)
    return (torch.where(objects, 1 - share, share) * each).sum((1, 2))


def groups(network: Network, rate: float, decay: float, *, scores: bool) -> list[dict[str, object]]:
    """Parameters with their rates: score convolutions a tenth, the fusing one a hundredth; biases twice, no decay.

    Without `scores` those convolutions are left out, as in fine-tuning.
    """
    slow = {"score": 0.1, "fuse": 0.01}
    found = []
    for name, parameter in network.named_parameters():
        part, bias = name.split(".")[0], name.endswith("bias")
        if part == "score" and not scores:
            continue
        own = rate * slow.get(part, 1.0) * (2 if bias else 1)
        found.append({"params": [parameter], "lr": own, "weight_decay": 0.0 if bias else decay})
    return found


def side_weight(seen: float) -> float:
    """Of the side losses, when this share of the training is over: it falls from 1 in 240 equal steps."""
    return 1 - int(seen * EPOCHS + 1e-9) / EPOCHS


class ParentLoss(nn.Module):
    """Of single images, the supports of episodes, under standard augmentation."""

    def __init__(self, network: Network, longer: int | None) -> None:
        """Frames are resized to `longer` pixels on their longer side; None leaves them as they are."""
        super().__init__()
        self.network, self.longer = network, longer
        self.sides = torch.ones(())
        """Weight of the side losses, which the stage lowers."""

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Side losses, weighted, and the fused loss, averaged over images; and the IoU of the fused mask, to watch."""
        frame = batch.supports.frames[0]
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        assert frame.masks is not None
        images, masks = resized(frame.images, frame.masks == 1, self.longer)
        images, masks = augmented(images, masks.to(torch.uint8), generator, border=BORDER)
        objects, outputs = masks > 0, self.network.sides(images)
        logits = self.network.fused(outputs, images)
        fused = balanced(logits, objects).mean()
        side = torch.stack([balanced(x, objects).mean() for x in self.network.scored(outputs, images)]).sum()
        with torch.no_grad():
            found = logits > 0
            iou = (found & objects).sum() / (found | objects).sum().clamp(min=1)
        return {"loss": self.sides.to(side.device) * side + fused, "fused": fused, "iou": iou}


class Parent(Accumulated):
    """Gradient descent on single images of one split."""

    def __init__(
        self,
        losses: ParentLoss,
        *,
        name: str,
        data: str,
        samples: int,
        before: int,
        total: int,
        accumulate: int,
        learning_rate: float,
        momentum: float,
        decay: float,
    ) -> None:
        """An update for every `accumulate` images; `before` of all `total` images were seen in earlier stages."""
        super().__init__(
            losses,
            name=name,
            samples=samples,
            batch=1,
            optimizer=lambda _: torch.optim.SGD(
                groups(losses.network, learning_rate, decay, scores=True), momentum=momentum
            ),
            accumulate=accumulate,
            data=(data,),
        )
        self._parent, self._before, self._total = losses, before, total

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """As the stage does, side losses weighted as of the first image of these."""
        self._parent.sides = torch.tensor(side_weight((self._before + done) / self._total))
        return super().step(batches, done)
