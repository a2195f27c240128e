"""Bringing a system to life: its plugin's `build` with the job's parameters and weights."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import UserError
from pipeline.seeds import derive
from pipeline.segmenter import Segmenter, Synthesizer


def build_system(
    plugin: str, parameters: Mapping[str, Any], needs: Mapping[str, str], seed: int
) -> Segmenter | Synthesizer:
    """Call `build` of plugins/<plugin>/model.py, its initial weights drawn from (seed, initialize, plugin).

    `needs` maps names to manifests of other systems' models; their tensors are handed over as `weights`, which a
    plugin without needs does not get.
    """
    module = importlib.import_module(f"plugins.{plugin}.model")
    arguments: dict[str, Any] = dict(parameters)
    if needs:
        arguments["weights"] = {name: read_weights(Path(manifest)) for name, manifest in needs.items()}
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


def read_weights(manifest: Path) -> dict[str, Tensor]:
    """Tensors of the model that `manifest` describes (weights.safetensors in the folder beside it)."""
    path = manifest.with_suffix("") / "weights.safetensors"
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `snakemake {manifest}`, which trains that system") from None
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): delete {manifest} and run snakemake") from None
