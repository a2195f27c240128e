"""The job of one bank of textures."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.job import Facts

TRUNKS = ("vgg19", "vgg16", "random")
"""Whose conv1_1 a texture is matched in; the first two are sources of weights."""


class Synthesis(Facts):
    """How textures are made anew from the Gram matrix of conv1_1 (Ustyuzhaninov et al. 2018, section 2.2)."""

    trunk: Literal["vgg19", "vgg16", "random"] = "random"
    """`random` is a fixed set of rectified random 3x3 filters; it also stands in where weights cannot be had."""
    start: Literal["white", "spectral"] = "white"
    """Gaussian white noise, or a Gaussian field with the source's covariance up to about `window` pixels."""
    window: Annotated[float, Field(gt=0, le=3)] = 3.0
    """Pixels; more would copy structure that conv1_1 cannot see."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """Relative loss |G - G*|^2 / |G*|^2 at which a texture is done."""
    iterations: Annotated[int, Field(ge=1)] = 500
    """Evaluations of the loss after which a texture is left as it is, all rounds together."""
    history: Annotated[int, Field(ge=1, le=20)] = 20
    """Corrections that L-BFGS remembers."""
    matches: Annotated[int, Field(ge=0, le=10)] = 3
    """How often the channels get the source's histograms when a texture is done; it then descends again.

    Each round leaves less to change: after three both the Gram matrix and the colours are the source's.
    """


class BankJob(Facts):
    """Make one bank of textures of side `side` from the photos of a source."""

    bank: str
    """`photos`, `conv1_1`."""
    photos: str
    """Manifest of the raw source, `data/raw/real/dtd.json`."""
    side: Annotated[int, Field(ge=8)]
    """Pixels; a photo's centre square, enlarged first where its short side is below this."""
    synthesis: Synthesis | None = None
    """None keeps the photos as they are."""
    weights: str | None = None
    """Manifest of the source of the trunk's weights."""
    insist: bool = False
    """Whether the random trunk may not stand in for them."""
    seed: int = 0
    """Root of the random numbers, which are counted by a photo's name."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"


def code_modules(synthesized: bool) -> tuple[str, ...]:
    """The entry module and what it loads by name, so that an edit of the optimizer makes no photo anew."""
    kind = "synthesis" if synthesized else "photos"
    return ("pipeline.texturize.__main__", f"pipeline.texturize.{kind}")
