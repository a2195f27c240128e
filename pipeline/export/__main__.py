"""`python -m pipeline.export`: write a rendered split as `.npy`, HDF5, PNG or a list, for programs that read those."""

import argparse
import re
from pathlib import Path

from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError, nearest, run
from pipeline.export.known import choose_profile, explain, manifest_path
from pipeline.export.listed import write_list
from pipeline.export.npy import write_npy
from pipeline.export.pairs import export_pairs
from pipeline.export.place import whole
from pipeline.export.png import write_png
from pipeline.export.split import ExportedSplit
from pipeline.manifest import Manifest, read_manifest
from pipeline.plan import NAME
from pipeline.progress import ProgressLine

FORMATS = {"npy": "", "hdf5": ".h5", "png": "", "list": ""}
"""Format -> suffix of what it makes."""


def main() -> None:
    """Export the split that the arguments name."""
    arguments = _parser().parse_args()
    if arguments.format not in {None, *FORMATS}:
        raise UserError(f"--format {arguments.format} is unknown; {nearest(arguments.format, FORMATS)}")
    if arguments.split.endswith(".json"):
        from pipeline.export.videos import export_videos  # the others work without torch

        export_videos(Path(arguments.split), arguments.output)
        return
    profile = choose_profile(arguments.profile)
    if arguments.split.startswith("synthetic/"):
        export_pairs(profile, arguments.split, arguments.output, all_of_them=arguments.all)
        return
    dataset, name = _names(arguments.split)
    store, manifest = _open(profile, dataset, name)
    line = ProgressLine(arguments.split, arguments.episodes or store.length, 0)
    split = ExportedSplit(store, arguments.episodes, lambda done: line.show(done, {}))
    about = {
        "dataset": dataset,
        "split": name,
        "profile": profile,
        "episodes": split.length,
        "complete": manifest.complete,
        "digest": manifest.digest or "",
    }
    chosen = _format(arguments.format, arguments.split, store)
    target: Path = arguments.output / (name.replace("_", "-") + FORMATS[chosen])
    with whole(target) as beside:
        if chosen == "list":
            write_list(beside, split, Path(store.attributes["gallery"]), about)
        elif chosen == "npy":
            write_npy(beside, split, about)
        elif chosen == "png":
            write_png(beside, split, about)
        else:
            from pipeline.export.hdf5 import write_hdf5  # the others work without h5py

            write_hdf5(beside, split, about)
    remark = "" if manifest.complete else " (complete: false; these are not the published data, but a part or a sample)"
    print(f"wrote {target}: {split.length} of {store.length} episodes{remark}")


def _names(asked: str) -> tuple[str, str]:
    """Data set and split of `data set/split`."""
    match = re.fullmatch(f"(?P<dataset>{NAME})/(?P<split>{NAME})", asked)
    if not match:
        raise UserError(f"'{asked}' names no split: write data set/split, as in clutter-n32/test_one_shot")
    return match["dataset"], match["split"]


def _open(profile: str, dataset: str, split: str) -> tuple[EpisodeStore, Manifest]:
    """The store of a split and its manifest; `UserError` where it is not rendered, or kept as a recipe."""
    path = manifest_path(profile, dataset, split)
    if not path.exists():
        explain(profile, dataset, split)
    manifest = read_manifest(path)
    if manifest.kind != "store":
        remedy = f"run `snakemake --cores all {path} --config profile={profile} stream=false`"
        raise UserError(f"{dataset}/{split} is a {manifest.kind}, a recipe without episodes: {remedy}")
    return EpisodeStore(path.with_suffix(".zarr")), manifest


def _format(asked: str | None, split: str, store: EpisodeStore) -> str:
    """The format asked for, or the one that suits; `UserError` where the split has no such form."""
    listed = "gallery" in store.attributes
    if asked is not None and listed != (asked == "list"):
        holds = "names images that recur, which lie in the source's own files" if listed else "holds its own pictures"
        raise UserError(f"--format {asked}: {split} {holds}; choose {'list' if listed else 'npy, hdf5 or png'}")
    return asked or ("list" if listed else "npy")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.export", description=__doc__)
    parser.add_argument(
        "split",
        metavar="DATASET/SPLIT",
        help="clutter-n32/test_one_shot; synthetic/osmis/davis17; or scores of videos (.json)",
    )
    text = "npy (default), hdf5 or png; list (default, where images recur): the names of each episode's images"
    parser.add_argument("--format", metavar="FORMAT", help=text)
    text = "where to write the folder (npy, png, list) or file (hdf5) named after the split"
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help=text)
    parser.add_argument("--profile", help="whose rendering: sample, lite or paper; default: the one in params.yaml")
    parser.add_argument("--all", action="store_true", help="synthetic pairs: those that the filter dropped, too")
    parser.add_argument("--episodes", type=int, metavar="N", help="only the first N; default: all")
    return parser


if __name__ == "__main__":
    run(main)
