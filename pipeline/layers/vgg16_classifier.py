"""VGG-16 as the classifier it was made for: trunk, fc6, fc7 and fc8 (Simonyan and Zisserman, ICLR 2015)."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.published import take
from pipeline.layers.vgg16 import Vgg16


class Vgg16Classifier(nn.Module):
    """Pictures (B, `inputs`, `side`, `side`) -> scores (B, `classes`), of ImageNet's 1,000 classes as published.

    224x224 pixels become 512x7x7 at pool5. Parameters: 14,714,688 (trunk) + 102,764,544 (fc6) + 16,781,312 (fc7) +
    4,097,000 (fc8) = 138,357,544.
    """

    def __init__(self, *, width: int = 1, side: int = 224, classes: int = 1000, inputs: int = 3) -> None:
        """Channels divided by `width`; sides are halved five times, rounding up."""
        super().__init__()
        self.vgg = Vgg16(width=width, inputs=inputs)
        cells, hidden = -(-side // 32), 4096 // width
        self.fc6 = dense(self.vgg.channels[-1] * cells * cells, hidden)
        self.fc7 = dense(hidden, hidden)
        self.fc8 = dense(hidden, classes, "linear")

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores before any softmax; dropout of half of fc6 and of fc7 while training."""
        x = pictures
        for number in range(1, 6):
            x = F.max_pool2d(self.vgg.block(number, x), 2, ceil_mode=True)
        x = F.dropout(F.relu(self.fc6(x.flatten(1))), 0.5, self.training)
        x = F.dropout(F.relu(self.fc7(x)), 0.5, self.training)
        scores: Tensor = self.fc8(x)
        return scores

    def load_torchvision(
        self, weights: Mapping[str, Tensor], extra: Literal["random", "zeros", "mean"] = "random"
    ) -> None:
        """Take up torchvision's VGG-16 (full width, 224 pixels, 1,000 classes); `extra` as of `Vgg16`.

        `UserError` where they are those of another network.
        """
        self.vgg.load_torchvision(weights, extra)
        for layer, number in ((self.fc6, 0), (self.fc7, 3), (self.fc8, 6)):
            take(layer, weights, f"classifier.{number}", "torchvision's VGG-16")


def dense(inputs: int, outputs: int, before: Literal["relu", "linear"] = "relu") -> nn.Linear:
    """A fully connected layer: weights normal with variance 2 / fan-in before a ReLU, else 1 / fan-in; biases 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity=before)
    nn.init.zeros_(layer.bias)
    return layer
