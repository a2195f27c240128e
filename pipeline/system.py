"""Bringing a system to life: its plugin's `build` with the job's parameters and weights."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from pipeline.errors import UserError
from pipeline.pretrained import read_published
from pipeline.seeds import derive
from pipeline.segmenter import Segmenter, Synthesizer


def build_system(
    plugin: str,
    parameters: Mapping[str, Any],
    needs: Mapping[str, str],
    seed: int,
    *,
    pretrained: Mapping[str, str] | None = None,
    insist: bool = False,
) -> Segmenter | Synthesizer:
    """Call `build` of plugins/<plugin>/model.py, its initial weights drawn from (seed, initialize, plugin).

    `needs` maps names to manifests of other systems' models, `pretrained` to those of sources of published weights;
    their tensors are handed over as `weights`, which a plugin without either does not get. Published weights that
    cannot be had are left out, or a `UserError` where the user insists on them.
    """
    module = importlib.import_module(f"plugins.{plugin}.model")
    arguments: dict[str, Any] = dict(parameters)
    found = {name: read_weights(Path(manifest)) for name, manifest in needs.items()}
    for name, manifest in (pretrained or {}).items():
        tensors = read_published(Path(manifest), insist=insist)
        if tensors is not None:
            found[name] = tensors
    if found:
        arguments["weights"] = found
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "initialize", plugin))
        try:
            built = module.build(**arguments)
        except TypeError as error:
            if "build()" not in str(error):
                raise
            raise UserError(f"plugins/{plugin}/model.py: {error}; plugin.yaml and build must agree") from None
    if not isinstance(built, Segmenter | Synthesizer):
        raise UserError(
            f"plugins/{plugin}/model.py: build returned {type(built).__name__}, not a Segmenter or Synthesizer"
        )
    return built


def weights_file(snapshot: int | None = None) -> str:
    """Path of weights in a model's folder."""
    return "weights.safetensors" if snapshot is None else f"snapshots/{snapshot}.safetensors"


def read_weights(manifest: Path, snapshot: int | None = None) -> dict[str, Tensor]:
    """Tensors of the model that `manifest` describes: the last ones, or those after `snapshot` percent of training."""
    path = manifest.with_suffix("") / weights_file(snapshot)
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `snakemake {manifest}`, which trains that system") from None
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): delete {manifest} and run snakemake") from None


def packed(model: Segmenter | Synthesizer) -> bytes:
    """A model's published weights as the bytes of a safetensors file."""
    # Copies: tied layers have several names for one tensor, which safetensors does not write.
    weights = {
        name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in model.weights().items()
    }
    return save(weights)  # save_file hides that a disk is full
