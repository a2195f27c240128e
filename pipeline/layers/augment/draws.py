"""Random parameters of a batch: every operation acts on each sample on its own, with a given probability."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Parameters of `count` samples, from the global generator of `device`; 0 wherever an operation does not act.

    A column acts for itself. 0 is what leaves an image alone: logarithms of scales, angles and shifts are drawn.
    Nothing here waits for the device.
    """

    count: int
    strength: float
    device: torch.device

    def acts(self, columns: int = 1, probability: float | None = None) -> Tensor:
        """Ones and zeros (B, `columns`); one with `probability`, which is `strength` if not given."""
        chance = self.strength if probability is None else probability
        return (torch.rand(self.count, columns, device=self.device) < chance).float()

    def uniform(self, half: float, columns: int = 1) -> Tensor:
        """Uniform between -`half` and `half` (B, `columns`), always drawn."""
        return (2 * torch.rand(self.count, columns, device=self.device) - 1) * half

    def normal(self, deviation: float, columns: int = 1) -> Tensor:
        """Normal around 0 (B, `columns`), always drawn."""
        return torch.randn(self.count, columns, device=self.device) * deviation

    def integer(self, values: int) -> Tensor:
        """0 to `values` - 1 (B, 1) as floats, always drawn."""
        return torch.randint(values, (self.count, 1), device=self.device).float()


def checked(strength: float) -> float:
    """`strength`, if it is a probability; else `UserError`."""
    if not 0 <= strength <= 1:
        raise UserError(f"the strength of an augmentation is a probability, found {strength}; give 0 to 1")
    return strength
