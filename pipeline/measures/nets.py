"""Published weights of the networks that measure: those that could be had, by name."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from pipeline.pretrained import read_each, read_published

Nets = Mapping[str, Mapping[str, Tensor]]
"""Name -> tensors: `inception_v3`, `squeezenet1_1`, `alexnet`, `resnet18`, `lpips_alex`, `lpips_squeeze`, `lpips_vgg`;
one that could not be had is not there."""


def read_nets(manifests: Mapping[str, Path], *, insist: bool = False) -> Nets:
    """Read sources (name -> manifest); with `insist`, a source that could not be had is an error.

    A source of several files, as `lpips` is, becomes one entry a file: `lpips_alex`.
    """
    nets: dict[str, Mapping[str, Tensor]] = {}
    for name, manifest in manifests.items():
        if name == "lpips":
            nets |= {f"{name}_{stem}": tensors for stem, tensors in read_each(manifest, insist=insist).items()}
        elif (tensors := read_published(manifest, insist=insist)) is not None:
            nets[name] = tensors
    return nets
