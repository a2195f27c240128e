"""`python -m pipeline.evaluate davis`: score a folder of results on DAVIS, anybody's, as the official package does."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.evaluate.davis.folder import find_root, open_truth
from pipeline.evaluate.davis.sequence import score_sequences
from pipeline.evaluate.davis.table import as_text, as_tsv, rows_of
from pipeline.manifest import manifest_of, read_manifest, write_atomic
from pipeline.progress import ProgressLine

SOURCE = "data/raw/real/davis{}"


def main(arguments: Sequence[str]) -> None:
    """Score, print the table, write the TSV; leaves with 1 where a sequence failed."""
    asked = _parser().parse_args(arguments)
    if asked.threads < 0:
        raise UserError(f"--threads {asked.threads} must be 1 or more; leave it out for as many as there are cores")
    if asked.output and asked.output.is_dir():
        raise UserError(f"--output {asked.output} is a folder: name a file for the table")
    wanted = [name for name in asked.sequences.split(",") if name]
    truth = open_truth(asked.truth or _source(asked.year), asked.year, wanted)
    results = find_root(asked.results, "--results")
    line, scored = ProgressLine("davis", len(truth.sequences), 0, "sequences"), []
    for each in score_sequences(truth, results, asked.year, asked.threads or len(os.sched_getaffinity(0))):
        scored.append(each)
        line.show(len(scored), {})
    rows = rows_of(scored)
    print(as_text(rows, every=asked.per_sequence))
    _remark(truth.root, truth.sequences, results, asked.truth)
    if asked.output:
        write_atomic(asked.output, as_tsv(rows))
        print(f"wrote {asked.output}")
    failed = [each for each in scored if each.reason]
    for each in failed:
        print(f"failed: {each.name}: {' '.join(each.reason.split())}", file=sys.stderr)
    if failed:
        sys.exit(1)


def _remark(root: Path, sequences: Sequence[str], results: Path, given: Path | None) -> None:
    """Tell what the numbers are of, and what was left out."""
    source = next((path for path in (root, *root.parents) if given is None and manifest_of(path).is_file()), None)
    part = (
        "" if source is None or read_manifest(manifest_of(source)).complete else " (a part of DAVIS: complete: false)"
    )
    print(f"{len(sequences)} sequences of {root}{part}; the first and the last frame of each are not scored")
    others = sorted({path.name for path in results.iterdir() if path.is_dir()} - set(sequences))
    if others:
        print(f"not scored, as they are not among them: {', '.join(others)}")


def _source(year: str) -> Path:
    folder = Path(SOURCE.format(year))
    if not folder.is_dir():
        get = f"`snakemake --cores 1 {folder}.json --config profile=lite`"
        raise UserError(f"no DAVIS {year} at {folder}: run {get}, or name its folder by --truth")
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.evaluate davis", description=__doc__)
    text = "folder with <sequence>/00000.png, ...: palettes or grey, a pixel is an object's id (2016: 0 and 255)"
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER", help=text)
    text = f"DAVIS's folder, or one laid out as results are; default: {SOURCE.format('<year>')}"
    parser.add_argument("--truth", type=Path, metavar="FOLDER", help=text)
    text = "2017 (default): an id an object; 2016: all objects as one"
    parser.add_argument("--year", choices=("2016", "2017"), default="2017", help=text)
    text = "some sequences, with commas between; default: the validation list, or all where there is none"
    parser.add_argument("--sequences", default="", metavar="A,B", help=text)
    parser.add_argument("--per-sequence", action="store_true", help="print every sequence and object as well")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all rows as TSV")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="default: as many as there are cores")
    return parser
