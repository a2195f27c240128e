"""Synthetic pairs as PNG: a folder a pair, `images` and `masks` side by side, ids as a palette's indices."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import UserError, nearest
from pipeline.export.place import whole
from pipeline.export.png import palette
from pipeline.manifest import read_manifest
from pipeline.pairs import PairStore, Pixels, Samples

SYNTHETIC = Path("data/synthetic")


def export_pairs(profile: str, asked: str, output: Path, *, all_of_them: bool) -> None:
    """Write `synthetic/<system>/<dataset>` (or `.../seed<k>`) below `output`, a folder a pair.

    `UserError` where there are no such pairs under the profile.
    """
    match = re.fullmatch(r"synthetic/([a-z0-9_-]+)/([a-z0-9_-]+)(?:/seed(\d+))?", asked)
    if not match:
        raise UserError(f"'{asked}' names no pairs: write synthetic/system/data set, as in synthetic/osmis/davis17")
    system, dataset, seed = match[1], match[2], match[3] or "0"
    manifest = SYNTHETIC / profile / system / dataset / f"seed{seed}.json"
    if not manifest.exists():
        there = [path.parent.parent.name for path in (SYNTHETIC / profile).glob(f"*/{dataset}/seed{seed}.json")]
        remedy = f"{nearest(system, there)}; or run `snakemake --cores all {manifest} --config profile={profile}`"
        raise UserError(f"{system} has made no pairs of {dataset} under {profile}: {remedy}")
    complete, count = read_manifest(manifest).complete, 0
    with whole(output / f"{system}-{dataset}") as beside:
        beside.mkdir()
        for samples in PairStore(manifest.with_suffix("") / "pairs.zarr"):
            if samples.facts.status == "ok":
                name = re.sub(r"[^a-zA-Z0-9_]+", "-", samples.facts.name.partition("/")[2] or samples.facts.name)
                count += write_pairs(beside / name, samples, all_of_them=all_of_them)
    remark = "" if complete else " (complete: false; of a part of the data, or of a sample)"
    print(f"wrote {output / f'{system}-{dataset}'}: {count} pairs{remark}")


def write_pairs(folder: Path, samples: Samples, *, all_of_them: bool = False) -> int:
    """Write those that the filter kept, or all, as `folder`/{images,masks}/0000.png; return how many.

    The numbers are the samples' own. A synthesizer without masks gets no folder `masks`.
    """
    chosen = range(len(samples.images)) if all_of_them else samples.kept.tolist()
    kinds = ("images", "masks") if samples.facts.masks else ("images",)
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for number in chosen:
            pixels = (samples.images if kind == "images" else samples.masks)[number]
            (folder / kind / f"{number:04}.png").write_bytes(as_png(pixels))
    return len(chosen)


def as_png(pixels: Pixels) -> bytes:
    """An image (H, W, 3), or an index mask (H, W) with VOC's palette, as a PNG file's bytes."""
    picture, memory = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
    if pixels.ndim == 2:
        picture.putpalette(palette())
    picture.save(memory, "PNG")
    return memory.getvalue()
