"""Fitting one synthesizer to one pair, and sampling from it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.pairs import Pair, PairFacts, Pixels, Samples
from pipeline.seeds import derive
from pipeline.segmenter import Batch, Frame, Supports, Synthesizer
from pipeline.stage import Stage
from pipeline.system import build_system
from pipeline.train.loop import train


class PairBatches:
    """Batches of one pair, or of several in turn: sample i of a stage is pair i modulo their number."""

    def __init__(self, pairs: Sequence[Pair], size: tuple[int, int], device: torch.device) -> None:
        """`pairs` fitted to `size` (height, width), on the device: read once."""
        images, masks = zip(*(fitted(pair, size) for pair in pairs), strict=True)
        self._images = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().to(device)
        self._masks = torch.from_numpy(np.stack(masks)).to(device)
        self._objects = max(pair.objects for pair in pairs)
        self._names = [f"{place}:{pair.name}" for place, pair in enumerate(pairs)]  # frames of two videos share a name

    def __call__(self, stage: Stage, first: int, last: int) -> Iterator[Batch]:
        """As `pipeline.train.batches.Batches`."""
        for number in range(first, last):
            which = (number * stage.batch + torch.arange(stage.batch)) % len(self._names)
            if len(self._names) == 1:  # a view: nothing is copied
                images, masks = (t.expand(stage.batch, *t.shape[1:]) for t in (self._images, self._masks))
            else:
                images, masks = (t[which.to(t.device)] for t in (self._images, self._masks))
            frame = Frame(images, masks, tuple(self._names[i] for i in which.tolist()))
            yield Batch(Supports((), self._objects), (frame,))


def fitted(pair: Pair, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Image (H, W, 3) and mask (H, W) at `size` (OSMIS, spec 2.1): bilinear with antialiasing, and nearest."""
    height, width = size
    image = Image.fromarray(pair.image).resize((width, height), Image.Resampling.BILINEAR)
    mask = Image.fromarray(pair.mask).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(image), np.asarray(mask)


def fit(
    plugin: str,
    parameters: Mapping[str, Any],
    pairs: Sequence[Pair],
    *,
    work: Path,
    digest: str,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    compile: bool = False,
) -> Synthesizer:
    """The plugin's synthesizer fitted to `pairs`, one as a rule; goes on from the checkpoint in `work` of `digest`.

    Several are fitted together at the size of the first. `UserError` where a loss is no longer finite: the last good
    checkpoint stays.
    """
    first = pairs[0]
    own = derive(seed, "synthesize", first.name)
    model = build_system(plugin, {**parameters, **given_facts(pairs)}, {}, own)
    if not isinstance(model, Synthesizer):
        raise UserError(f"plugins/{plugin} is a segmenter, which makes no pairs: choose a synthesizer")
    for remark in model.remarks:
        print(f"{first.name}: {remark}", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    batches = PairBatches(pairs, model.size, device)
    train(model, batches, work=work, digest=digest, seed=own, device=device, dtype=dtype, compile=compile)
    return model.eval()


def given_facts(pairs: Sequence[Pair]) -> dict[str, int]:
    """What `build` is told of the pairs: the size of the first, and the most objects of any."""
    height, width = pairs[0].mask.shape
    return {"height": height, "width": width, "objects": max(pair.objects for pair in pairs)}


@torch.no_grad()
def sample(model: Synthesizer, count: int, seed: int, pair: Pair) -> Samples:
    """`count` samples of a fitted model, one function of the seed; all are kept."""
    generator = torch.Generator().manual_seed(derive(seed, "synthesize", pair.name, "samples"))
    made = [(image.cpu(), mask.cpu()) for image, mask in model.sample(count, generator)]
    images = torch.stack([image for image, _ in made]).permute(0, 2, 3, 1).contiguous().numpy()
    masks = torch.stack([mask for _, mask in made]).contiguous().numpy()
    height, width = masks.shape[1:]
    facts = PairFacts(
        name=pair.name, objects=pair.objects, size=(height, width), masks=model.masks, remarks=list(model.remarks)
    )
    return Samples(facts, images, masks, np.arange(count))


def failed(name: str, reason: str) -> Samples:
    """What is stored of a pair that could not be fitted."""
    facts = PairFacts(name=name, objects=0, size=(0, 0), status="failed", reason=reason)
    empty: NDArray[np.uint8] = np.empty((0, 0, 0, 3), np.uint8)
    return Samples(facts, empty, empty[..., 0], np.empty(0, np.int64))
