"""Distance between predicted and true centre of an object (One-Shot Segmentation in Clutter: localization)."""

import torch
from torch import Tensor

from pipeline.centre import centre_of_mass
from pipeline.segmenter import Prediction


def measure(prediction: Prediction, truth: Tensor, objects: int, *, threshold: float) -> dict[str, Tensor]:
    """Column `distance` in pixels, NaN where nothing was found.

    The predicted centre is the method's own, else the centre of mass of its mask (probability > threshold). Centres
    are floored to integers, as in the authors' code.
    """
    centres = prediction.centres
    if centres is None:
        if prediction.probabilities is None:
            raise ValueError("centres or probabilities")
        centres = centre_of_mass(prediction.probabilities.float() > threshold)
    numbers = torch.arange(1, objects + 1, device=truth.device, dtype=truth.dtype)
    true = centre_of_mass(truth.unsqueeze(1) == numbers[:, None, None])
    return {"distance": (centres.floor() - true.floor()).square().sum(dim=-1).sqrt()}
