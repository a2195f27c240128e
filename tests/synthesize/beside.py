"""Fits OSMIS of 20 iterations to pairs: <folder> <how many side by side> <first pair, of two>."""

import sys
from pathlib import Path

import numpy as np
import torch

from pipeline.pairs import checked
from pipeline.synthesize.job import SynthesizeJob
from pipeline.synthesize.task import run_all

SMALL = {"max_size": 48, "generator_width": 4, "discriminator_width": 8, "samples": 40, "batch": 2, "average": 0.8}


def square(name: str, left: int):
    """A bright square on a dark ground."""
    mask = np.zeros((48, 48), np.uint8)
    mask[10:26, left : left + 16] = 1
    return name, checked(name, np.repeat(mask[..., None] * np.uint8(180) + np.uint8(40), 3, 2), mask)


def main(folder: Path, side: int, first: int) -> None:
    job = SynthesizeJob(
        system="osmis", plugin="osmis", dataset="d", data="d", pairs=2, parameters=SMALL | {"bernoulli_samples": 20},
        samples=3, keep=1.0, seed=0, precision="float32", threads=1, device="cpu",
    )  # fmt: skip
    pairs = [square("one", 4), square("two", 18)][first:]
    run_all(job, pairs, digest="d", work=folder, device=torch.device("cpu"), side=side, done=lambda _: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
