"""Measuring what a synthesizer made: statistics of every pair, and pictures of its first samples."""

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.closure import code_digest, code_files
from pipeline.evaluate.job import MeasureJob
from pipeline.manifest import input_digests, read_manifest
from pipeline.measures.nets import Nets, read_nets
from pipeline.measures.pair import Pair as MeasuredPair
from pipeline.pairs import Pair, PairStore, Samples
from pipeline.progress import ProgressLine
from pipeline.scores import Columns, Scores
from pipeline.seeds import derive
from pipeline.synthesize.fit import fitted
from pipeline.synthesize.given import read_pairs

SHOWN = 256
"""Longest side of a picture that is kept, in pixels."""

Measured = Mapping[str, list[float]]


def measure(job: MeasureJob, device: torch.device) -> tuple[Scores, dict[str, NDArray[np.uint8]]]:
    """Statistics of every pair, and pictures (`pipeline.scores`); a failed pair has a reason instead."""
    store = PairStore(Path(job.pairs).with_suffix("") / "pairs.zarr")
    given = dict(read_pairs(Path(job.data), len(store.facts)))
    nets = read_nets({name: Path(path) for name, path in job.nets.items()}, insist=job.insist)
    measures = {name: importlib.import_module(f"pipeline.evaluate.pair_statistics.{name}") for name in job.statistics}
    columns: dict[str, Columns] = {name: {} for name in job.statistics}
    pictures: dict[str, NDArray[np.uint8]] = {}
    failed: dict[int, str] = {}
    line = ProgressLine(f"{job.system} on {job.tested_on}", len(store.facts), 0, unit="pairs")
    for episode, samples in enumerate(store):
        pair = given[samples.facts.name]
        if samples.facts.status == "failed" or not isinstance(pair, Pair):
            failed[episode] = samples.facts.reason
            continue
        for name, module in measures.items():
            torch.manual_seed(derive(job.seed, "augment", name, samples.facts.name))
            found = _measured(module, pair, samples, nets, device, job.statistics[name])
            _extend(columns[name], episode, found)
        pictures |= _pictures(episode, pair, samples, job.pictures)
        line.show(episode + 1, {})
    manifest = read_manifest(Path(job.pairs))
    modules = [f"pipeline.evaluate.pair_statistics.{name}" for name in job.statistics]
    networks = {name: str(module.network(nets, **job.statistics[name])) for name, module in measures.items()}
    scores = Scores(
        recipe=job.model_dump(mode="json"),
        code=code_digest(code_files("pipeline.evaluate.__main__", "pipeline.evaluate.synthetic", *modules)),
        inputs=input_digests([Path(job.pairs), Path(job.data)]),
        complete=manifest.complete,
        weights=manifest.notes["weights"],
        networks=networks,
        names=[facts.name.split("/")[-2] if "/" in facts.name else facts.name for facts in store.facts],
        failed=failed,
        status="failed" if len(failed) == len(store.facts) else "ok",
        reason=next(iter(failed.values()), ""),
        statistics={1: columns},
    )
    return scores, pictures


def _measured(
    module: Any, pair: Pair, samples: Samples, nets: Nets, device: torch.device, parameters: Mapping[str, Any]
) -> Measured:
    """Columns of one statistic of one pair; none where the statistic asks for masks that there are not."""
    images, masks = (torch.from_numpy(array).to(device) for array in (samples.images, samples.masks))
    real = torch.from_numpy(pair.image.copy()).permute(2, 0, 1), torch.from_numpy(pair.mask.copy())
    measured = MeasuredPair(
        real=(real[0].to(device), real[1].to(device)),
        fakes=(images.permute(0, 3, 1, 2), masks),
        objects=pair.objects,
        masks=samples.facts.masks,
    )
    try:
        found: Measured = module.measure(measured, nets, **parameters)
    except ValueError as error:
        if str(error) != "masks":
            raise
        return {}
    return found


def _extend(columns: Columns, episode: int, found: Measured) -> None:
    rows = max((len(values) for values in found.values()), default=0)
    numbers: dict[str, list[float]] = {"episode": [episode] * rows, **found}
    for name, values in numbers.items():
        plain = [None if isinstance(v, float) and math.isnan(v) else v for v in values]
        columns.setdefault(name, []).extend(plain)


def _pictures(episode: int, pair: Pair, samples: Samples, count: int) -> dict[str, NDArray[np.uint8]]:
    image, mask = fitted(pair, samples.facts.size)
    shown = [(image, mask), *zip(samples.images[:count], samples.masks[:count], strict=True)]
    names = ["support0", *(f"sample{number}" for number in range(count))]
    found = {}
    for name, (picture, index) in zip(names, shown, strict=False):
        found[f"{episode}/{name}"] = _small(picture, Image.Resampling.BOX)
        label = "mask0" if name == "support0" else name.replace("sample", "sample_mask")
        found[f"{episode}/{label}"] = _small(index, Image.Resampling.NEAREST)
    return found


def _small(picture: NDArray[np.uint8], resampling: Image.Resampling) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    factor = min(1.0, SHOWN / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(picture).resize(size, resampling))
