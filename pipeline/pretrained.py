"""Published weights of trunks, as their sources hold them."""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.manifest import read_manifest

if TYPE_CHECKING:
    import h5py


def read_published(manifest: Path, *, insist: bool) -> dict[str, Tensor] | None:
    """Tensors of a source of published weights (the one `.pth` or `.h5` of its folder), or None where it cannot be had.

    Of an `.h5` in Keras's layout they have torch's names and shapes: `layer.weight` (out, in, ...), `layer.bias`.
    """
    found = read_each(manifest, insist=insist)
    if len(found) > 1:
        folder = manifest.with_suffix("")
        raise UserError(f"{folder} holds {len(found)} files of weights, not one: delete {manifest} and run snakemake")
    return next(iter(found.values()), None)


def read_each(manifest: Path, *, insist: bool) -> dict[str, dict[str, Tensor]]:
    """Tensors of every `.pth` and `.h5` of a source's folder, by the file's name without its ending.

    Empty where the source cannot be had; `UserError` if `insist`, or where a file is damaged.
    """
    found = read_manifest(manifest)
    if not found.available:
        if not insist:
            return {}
        reason = found.notes.get("reason", "it could not be had")
        raise UserError(
            f"weights=pretrained, but {manifest.stem} is missing ({reason}): give a mirror, or weights=auto"
        )
    folder = manifest.with_suffix("")
    paths = sorted(path for path in folder.glob("*") if path.suffix in (".pth", ".h5"))
    if not paths:
        raise UserError(f"{folder} holds no file of weights: delete {manifest} and run snakemake")
    return {path.stem: _read(path, manifest) for path in paths}


def _read(path: Path, manifest: Path) -> dict[str, Tensor]:
    try:
        return read_keras(path) if path.suffix == ".h5" else _read_torch(path)
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{path} is damaged ({reason}): delete {manifest} and run snakemake") from None


def _read_torch(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return tensors


def read_keras(path: Path) -> dict[str, Tensor]:
    """Tensors of a file in Keras's layout: `layer.weight` (out, in, ...) and `layer.bias`, as torch has them.

    A layer's group lists its kernel (spatial sides, inputs, outputs) and its bias, or nothing. `KeyError` or `OSError`
    where the file is another's.
    """
    import h5py  # here: few jobs have such a file, and all would wait for the import

    tensors = {}
    with h5py.File(path, "r") as file:
        for layer in _names(file, "layer_names"):
            arrays = [np.asarray(file[layer][name]) for name in _names(file[layer], "weight_names")]
            for name, array in zip(("weight", "bias"), arrays, strict=False):
                if name == "weight":
                    array = np.moveaxis(array, (-1, -2), (0, 1))
                tensors[f"{layer}.{name}"] = torch.from_numpy(np.ascontiguousarray(array))
    return tensors


def _names(group: "h5py.Group", attribute: str) -> list[str]:
    """Keras wrote them as bytes, and later as text."""
    return [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[attribute]]
