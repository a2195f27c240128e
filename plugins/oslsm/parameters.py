"""From 1,000 class scores to the parameters of a pixel's classifier: weight hashing, or the layer it replaces."""

import torch
from torch import Tensor, nn


class Hashing(nn.Module):
    """Scores (B, `inputs`) -> (B, `outputs`): theta_j = zeta(j) x_kappa(j), fixed for good (paper, appendix).

    The authors run it as a fully connected layer whose matrix has one entry of +-1 a row; here it is a gather. No
    parameters: kappa and the signs are buffers, published with the weights.
    """

    kappa: Tensor
    signs: Tensor

    def __init__(self, inputs: int, outputs: int, *, seed: int, scale: float = 1.0) -> None:
        """Draw kappa(j), uniform in 0..`inputs` - 1, and zeta(j) of a generator of its own; `scale` multiplies all."""
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        where = torch.device("cpu")
        self.scale = scale
        self.register_buffer("kappa", torch.randint(inputs, (outputs,), generator=generator, device=where))
        signs = torch.randint(2, (outputs,), generator=generator, device=where) * 2 - 1
        self.register_buffer("signs", signs.float())

    def forward(self, scores: Tensor) -> Tensor:
        """Gradients flow back to the scores; those that no output drew (1.7 % of 1,000) get none."""
        return scores[:, self.kappa] * (self.signs * self.scale)


def dense_head(inputs: int, outputs: int, *, scale: float = 1.0) -> nn.Linear:
    """The trainable layer that hashing replaces (4,101,097 parameters from 1,000 to 4,097); the paper saw it overfit.

    It starts as hashing does on average: weights normal with variance `scale` squared / `inputs`, biases 0.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=scale * inputs**-0.5)
    nn.init.zeros_(layer.bias)
    return layer
