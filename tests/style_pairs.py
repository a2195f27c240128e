"""One pair as a batch of copies, and updates of a synthesizer's stage on it, seeded as the training loop seeds them."""

import torch

from pipeline.seeds import derive
from pipeline.segmenter import Batch, Frame, Supports

CPU = torch.device("cpu")


def stripes(size, count, *, copies=False, updates=1):
    """Batches of `count` views (or copies) of a grey ramp with a coloured block, which is object 1."""
    height, width = size
    image = torch.linspace(40, 200, width).to(torch.uint8).expand(3, height, width).clone()
    mask = torch.zeros(height, width, dtype=torch.uint8)
    mask[height // 4 : 3 * height // 4, width // 4 : width // 2] = 1
    image[0][mask == 1], image[2][mask == 1] = 230, 20
    images, masks = image.expand(count, -1, -1, -1), mask.expand(count, -1, -1)
    if copies:
        images, masks = images.clone(), masks.clone()
    return [Batch(Supports((), 1), (Frame(images, masks),))] * updates


def run(model, updates, *, stage=0, done=0, setup=True, seed=0):
    """Some updates of one stage, one a call; the last metrics."""
    stage = model.stages[stage]
    if setup:
        stage.setup(CPU, torch.float32)
    metrics = {}
    for number in range(updates):
        seen = done + number * stage.batch
        torch.manual_seed(derive(seed, "step", stage.name, seen, 0))
        metrics = stage.step(stripes(model.size, stage.batch), seen)
    return metrics


def drop(model):
    """Make every number of the model wrong, so that what is not loaded shows."""
    with torch.no_grad():
        for value in model.state_dict().values():
            value.fill_(7)
