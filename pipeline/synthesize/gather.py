"""What was made of all pairs becomes one product: samples that passed the filter or not, weights, and what it is."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pipeline.errors import UserError
from pipeline.manifest import Manifest, digest_tree, read_manifest
from pipeline.measures.features import best_of, feature_net
from pipeline.measures.nets import read_nets
from pipeline.measures.rank import kept
from pipeline.measures.sifid import sifid_of
from pipeline.measures.taps import FeatureNet
from pipeline.pairs import Pair, PairWriter, Samples
from pipeline.synthesize.fit import fitted
from pipeline.synthesize.job import SynthesizeJob
from pipeline.synthesize.task import collected


def gather(
    job: SynthesizeJob, found: Sequence[tuple[str, Pair | UserError]], work: Path, device: torch.device
) -> tuple[Path, Manifest]:
    """The staged product of all pairs that lie finished in `work`, and its manifest without recipe, code and inputs.

    The product holds `pairs.zarr` (`pipeline.pairs`) and `weights/<n>.safetensors` of pair n. `UserError` where not one
    pair could be fitted.
    """
    staged = work / "product"
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "weights").mkdir(parents=True)
    nets = read_nets({name: Path(path) for name, path in job.nets.items()}, insist=job.insist)
    name = best_of(nets)
    net = feature_net(nets.get(name), name).to(device)
    writer, models, reasons = PairWriter(staged / "pairs.zarr"), [], []
    for number, (samples, model) in enumerate(collected(work, len(found))):
        pair = found[number][1]
        if samples.facts.status == "failed" or isinstance(pair, UserError):
            reasons.append(samples.facts.reason)
            writer.add(samples)
            continue
        writer.add(filtered(samples, pair, net, job.keep, device))
        models.append(model)
        shutil.copyfile(work / str(number) / "weights.safetensors", staged / "weights" / f"{number}.safetensors")
    if not models:
        raise UserError(f"no pair of {job.dataset} could be fitted: {reasons[0] if reasons else 'there is none'}")
    manifest = Manifest(
        kind="pairs",
        digest=digest_tree(staged),
        counts={
            "pairs": len(found),
            "failed": len(reasons),
            "samples": job.samples,
            "parameters": int(models[0]["parameters"]),
        },
        recipe={},
        code="",
        complete=read_manifest(Path(job.data)).complete,
        notes={"weights": models[0]["trunk"], "filter": name},
    )
    return staged, manifest


def filtered(samples: Samples, pair: Pair, net: FeatureNet, keep: float, device: torch.device) -> Samples:
    """The samples with those kept that rank best by SIFID (OSMIS, section 4.3), the distance that `net` sees."""
    real = torch.from_numpy(fitted(pair, samples.facts.size)[0].copy()).permute(2, 0, 1).to(device)
    images = torch.from_numpy(samples.images).permute(0, 3, 1, 2)
    found = torch.cat([sifid_of(part.to(device), real, net) for part in torch.split(images, 20)])
    return replace(samples, kept=kept(found.cpu().numpy(), keep))
