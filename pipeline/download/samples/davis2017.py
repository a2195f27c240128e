"""A sample of DAVIS 2017: short clips of several moving shapes, under names of official sequences.

Shapes hide one another; one of the first clip leaves the picture and comes back.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline.download.samples.davis import clip, write
from pipeline.job import Facts, parse
from pipeline.seeds import generator

VAL = (("dogs-jump", 3), ("judo", 2), ("dog", 1), ("india", 3))
TRAIN = (("bear", 1), ("dancing", 3), ("boxing-fisheye", 2), ("tennis", 2))
"""Names, and how many objects each has."""


class Parameters(Facts):
    """How much to generate."""

    val: Annotated[int, Field(ge=1, le=len(VAL))] = 2
    train: Annotated[int, Field(ge=1, le=len(TRAIN))] = 3
    frames: Annotated[int, Field(ge=2, le=99)] = 8
    width: Annotated[int, Field(ge=64, le=854)] = 96
    """Pixels."""
    height: Annotated[int, Field(ge=48, le=480)] = 64


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same frames for the same parameters and seed, byte for byte."""
    wanted = parse(Parameters, parameters, "sample of davis2017")
    lists = {"val": VAL[: wanted.val], "train": TRAIN[: wanted.train]}
    clips = {
        list_name: [
            clip(
                generator(seed, "glyphs", "davis2017", name),
                name,
                frames=wanted.frames,
                width=wanted.width,
                height=wanted.height,
                objects=objects,
                leaves=name == VAL[0][0],
            )
            for name, objects in sequences
        ]
        for list_name, sequences in lists.items()
    }
    write(target, clips, range(4), 2017)
