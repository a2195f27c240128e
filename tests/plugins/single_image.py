"""Fitting a synthesizer to one picture by its stages, as the loop of `pipeline.train` does, killed where a test likes."""

import io

import torch

from pipeline.plugin import find_plugins, systems
from pipeline.seeds import derive
from pipeline.segmenter import Batch, Frame, Supports

CPU = torch.device("cpu")


def published(name):
    """Parameters of a system by name, of a plugin or its variant, under the published schedule."""
    return next(system.train for system in systems(find_plugins(), "paper") if system.name == name)


def picture(size, seed=0):
    """A batch of one pair: a dark disc on a bright slope, with a little grain."""
    height, width = size
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    disc = (rows**2 + columns**2 < 0.3).float()
    grain = torch.randn(height, width, generator=torch.Generator().manual_seed(seed))
    image = torch.stack([150 + 60 * columns, 120 + 40 * rows, 200 - 150 * disc]) + 8 * grain
    frame = Frame(image.clamp(0, 255).to(torch.uint8)[None], disc.to(torch.uint8)[None])
    return Batch(Supports((), 1), (frame,))


def fit(model, batch, *, seed=0, chunk=1, stop=None, saved=None):
    """Run all stages, `chunk` steps a call; with `stop` (stage, done) give the checkpoint there, as bytes.

    With `saved`, bytes of a checkpoint, go on from there. Returns None, and the metrics by stage, at the end.
    """
    found = torch.load(io.BytesIO(saved), weights_only=True) if saved else None
    metrics = {}
    for number, stage in enumerate(model.stages):
        torch.manual_seed(derive(seed, "initialize", stage.name))
        stage.setup(CPU, torch.float32)
        done = 0
        if found:
            if number < found["number"]:
                continue
            model.load_state_dict(found["model"])
            stage.load(found["stage"])
            done, found = found["done"], None
        model.train()
        metrics[stage.name] = []
        while done < stage.samples:
            if stop == (number, done):
                file = io.BytesIO()
                state = {"number": number, "done": done, "model": model.state_dict(), "stage": stage.state()}
                torch.save(state, file)
                return file.getvalue(), metrics
            torch.manual_seed(derive(seed, "step", stage.name, done))
            count = min(chunk, stage.samples - done)
            metrics[stage.name].append({k: float(v) for k, v in stage.step([batch] * count, done).items()})
            done += count
    return None, metrics
