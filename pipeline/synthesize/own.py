"""`python -m pipeline.synthesize --image X --mask Y`: a synthesizer for a pair of your own, and its samples as PNG."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pipeline.closure import code_digest, code_files
from pipeline.device import share
from pipeline.errors import UserError, nearest
from pipeline.export.pairs import as_png, write_pairs
from pipeline.manifest import canonical, digest_text, output_folder, write_atomic, write_json
from pipeline.pairs import Pair, Samples
from pipeline.plugin import System, find_plugins, systems
from pipeline.report.samples import over
from pipeline.segmenter import Synthesizer
from pipeline.settings import PROFILES
from pipeline.synthesize.files import VALUES, both, find_pairs, read_pair
from pipeline.synthesize.fit import fit, given_facts, sample
from pipeline.system import build_system
from pipeline.work import work_folder

SHOWN = 15
"""Samples in the overview."""


def main() -> None:
    """Fit, or take up weights, then sample: `images`, `masks`, `overview.png`, `weights.safetensors`, `fit.json`.

    Of a folder of pairs, each by itself; what fails is told at the end, and the others go on.
    """
    arguments = _parser().parse_args()
    if arguments.pairs is None:
        _make(arguments, _pairs(arguments), arguments.output)
        return
    if arguments.image or arguments.mask or arguments.weights:
        raise UserError(
            "--pairs takes a folder of pairs, each fitted by itself: leave --image, --mask and --weights out"
        )
    lost = []
    for name, (image, mask) in find_pairs(arguments.pairs).items():
        try:
            pair = read_pair(*both(arguments.pairs, name, image, mask), arguments.mask_values)
            _make(arguments, [pair], arguments.output / name)
        except UserError as error:
            print(f"{name}: {error}", flush=True)
            lost.append(f"{name} ({error})")
    if lost:
        raise UserError(f"{len(lost)} of the pairs of {arguments.pairs} failed, the others are made: {'; '.join(lost)}")


def _make(arguments: argparse.Namespace, pairs: list[Pair], output: Path) -> None:
    """Fit one synthesizer to `pairs` and write what it makes to the folder `output`."""
    if output.exists() and any(output.glob("images/*")):
        raise UserError(f"{output} holds samples already: name another folder with --output")
    if arguments.samples < 1:
        raise UserError(f"--samples {arguments.samples}: make at least one pair")
    system = _system(arguments.system, arguments.profile)
    parameters = _changed(system.train | system.evaluate, arguments.set)
    output_folder(output)
    code = code_digest(code_files(f"plugins.{system.plugin}.model", "pipeline.synthesize.fit"))
    digest = digest_text(
        canonical([system.name, parameters, arguments.seed, arguments.precision, code, *map(_fingerprint, pairs)])
    )
    with share(arguments.device, 4, arguments.threads) as device:
        model = (
            _fitted(arguments, system.plugin, parameters, pairs, digest, device)
            if arguments.weights is None
            else _loaded(arguments, system.plugin, parameters, pairs).to(device).eval()
        )
        samples = sample(model, arguments.samples, arguments.seed, pairs[0])
    _write(output, pairs[0], samples)
    weights = {name: t.detach().cpu().contiguous().clone() for name, t in model.weights().items()}
    write_atomic(output / "weights.safetensors", save(weights))
    about = {"system": system.name, "parameters": parameters, "seed": arguments.seed, "code": code}
    write_json(output / "fit.json", about | {"remarks": samples.facts.remarks})
    print(
        f"wrote {len(samples.images)} pairs of {samples.facts.size[1]}x{samples.facts.size[0]} to {output}", flush=True
    )


def _fitted(
    arguments: argparse.Namespace,
    plugin: str,
    parameters: dict[str, Any],
    pairs: list[Pair],
    digest: str,
    device: torch.device,
) -> Synthesizer:
    with work_folder(Path("synthesize") / digest[7:23]) as work:
        return fit(
            plugin,
            parameters,
            pairs,
            work=work,
            digest=digest,
            seed=arguments.seed,
            device=device,
            dtype=getattr(torch, arguments.precision),
        )


def _loaded(arguments: argparse.Namespace, plugin: str, parameters: dict[str, Any], pairs: list[Pair]) -> Synthesizer:
    built = build_system(plugin, {**parameters, **given_facts(pairs)}, {}, arguments.seed)
    assert isinstance(built, Synthesizer)  # its plugin.yaml says so
    try:
        built.load_weights(_weights(arguments.weights))
    except (RuntimeError, KeyError):
        message = f"--weights {arguments.weights} are of another system or size than {arguments.system} for this pair"
        raise UserError(f"{message}: name the fit's own --system, --profile and --set (see its fit.json)") from None
    return built


def _pairs(arguments: argparse.Namespace) -> list[Pair]:
    """The pairs to fit together, all of the size of the first, or squares of the mean side where sizes differ."""
    if len(arguments.image) != len(arguments.mask):
        counts = f"{len(arguments.image)} --image, {len(arguments.mask)} --mask"
        raise UserError(f"one half of a pair is missing ({counts}): give a mask for each image, in the same order")
    if not arguments.image:
        raise UserError("no pair is given: say --image FILE --mask FILE, also where --weights are taken up")
    pairs = [
        read_pair(image, mask, arguments.mask_values)
        for image, mask in zip(arguments.image, arguments.mask, strict=True)
    ]
    sizes = {pair.mask.shape for pair in pairs}
    if len(sizes) == 1:
        return pairs
    side = round(float(np.mean([length for pair in pairs for length in pair.mask.shape])))
    return [_square(pair, side) for pair in pairs]


def _square(pair: Pair, side: int) -> Pair:
    image = Image.fromarray(pair.image).resize((side, side), Image.Resampling.BILINEAR)
    mask = Image.fromarray(pair.mask).resize((side, side), Image.Resampling.NEAREST)
    return replace(pair, image=np.asarray(image), mask=np.asarray(mask))


def _system(name: str, profile: Any) -> System:
    found = {s.name: s for s in systems(find_plugins(), profile) if s.facts.kind == "synthesizer"}
    if name not in found:
        raise UserError(f"--system {name}: no synthesizer of that name; {nearest(name, found)}")
    return found[name]


def _changed(parameters: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    changed = dict(parameters)
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"--set {change}: write name=value, as in --set samples=5000")
        if name not in parameters:
            raise UserError(f"--set {change}: no parameter '{name}'; {nearest(name, parameters)}")
        changed[name] = yaml.safe_load(value)
    return changed


def _weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"--weights {path} cannot be read ({error}): name the weights.safetensors of a fit") from None


def _fingerprint(pair: Pair) -> str:
    return digest_text(f"{pair.name} {pair.mask.shape} {pair.image.tobytes().hex()} {pair.mask.tobytes().hex()}")


def _write(folder: Path, pair: Pair, samples: Samples) -> None:
    write_pairs(folder, samples, all_of_them=True)
    height, width = samples.facts.size
    image = np.asarray(Image.fromarray(pair.image).resize((width, height), Image.Resampling.BILINEAR))
    mask = np.asarray(Image.fromarray(pair.mask).resize((width, height), Image.Resampling.NEAREST))
    shown = [over(image, mask), *map(over, samples.images[:SHOWN], samples.masks[:SHOWN])]
    shown += [np.full_like(shown[0], 255)] * (-len(shown) % 4)
    rows = [np.concatenate(shown[first : first + 4], axis=1) for first in range(0, len(shown), 4)]
    write_atomic(folder / "overview.png", as_png(np.concatenate(rows)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.synthesize", description=__doc__)
    file: dict[str, Any] = {"type": Path, "metavar": "FILE", "action": "append", "default": []}
    parser.add_argument("--image", **file, help="a picture; several are fitted together, in turn")
    parser.add_argument("--mask", **file, help="its mask: a palette PNG, or grey with numbers of objects")
    text = "a folder with `images` and `masks`, names alike: one synthesizer a pair, results in folders of its name"
    parser.add_argument("--pairs", type=Path, metavar="FOLDER", help=text)
    text = "whether a grey mask is of numbers (index) or of one object (binary); default: as it looks"
    parser.add_argument("--mask-values", choices=VALUES, default="auto", help=text)
    parser.add_argument("--system", default="osmis", help="synthesizer: osmis (default), or any other, or a variant")
    parser.add_argument("--profile", choices=PROFILES, default="lite", help="whose schedule; default: lite")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="sample from a fit's weights instead of fitting")
    parser.add_argument("--samples", type=int, default=100, metavar="N", help="how many pairs to make; default: 100")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads on a CPU")
    return parser
