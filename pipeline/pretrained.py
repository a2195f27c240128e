"""Published weights of trunks, as their sources hold them."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.manifest import read_manifest


def read_published(manifest: Path, *, insist: bool) -> dict[str, Tensor] | None:
    """Tensors of a source of published weights (the one `.pth` of its folder), or None where it cannot be had."""
    found = read_manifest(manifest)
    if not found.available:
        if not insist:
            return None
        reason = found.notes.get("reason", "it could not be had")
        raise UserError(
            f"weights=pretrained, but {manifest.stem} is missing ({reason}): give a mirror, or weights=auto"
        )
    folder = manifest.with_suffix("")
    paths = sorted(folder.glob("*.pth"))
    if len(paths) != 1:
        raise UserError(f"{folder} holds {len(paths)} files of weights, not one: delete {manifest} and run snakemake")
    try:
        tensors: dict[str, Tensor] = torch.load(paths[0], map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{paths[0]} is damaged ({reason}): delete {manifest} and run snakemake") from None
    return tensors
