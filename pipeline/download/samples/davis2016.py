"""A sample of DAVIS 2016: short clips of one moving shape each, under names of official sequences."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline.download.samples.davis import clip, write
from pipeline.job import Facts, parse
from pipeline.seeds import generator

NAMES = ("blackswan", "dog", "car-shadow", "bmx-trees")
TRAIN = ("bear", "tennis", "flamingo")


class Parameters(Facts):
    """How much to generate."""

    clips: Annotated[int, Field(ge=1, le=len(NAMES))] = 2
    train: Annotated[int, Field(ge=1, le=len(TRAIN))] = 2
    """Clips to train on."""
    frames: Annotated[int, Field(ge=2, le=99)] = 8
    width: Annotated[int, Field(ge=64, le=854)] = 96
    """Pixels."""
    height: Annotated[int, Field(ge=48, le=480)] = 64


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same frames for the same parameters and seed, byte for byte."""
    wanted = parse(Parameters, parameters, "sample of davis2016")
    lists = {
        kind: [
            clip(
                generator(seed, "glyphs", "davis2016", name),
                name,
                frames=wanted.frames,
                width=wanted.width,
                height=wanted.height,
            )
            for name in names
        ]
        for kind, names in (("val", NAMES[: wanted.clips]), ("train", TRAIN[: wanted.train]))
    }
    write(target, lists, (0, 255), 2016)
