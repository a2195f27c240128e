"""The job of one synthesis."""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.job import Facts
from pipeline.train.job import Precision


class SynthesizeJob(Facts):
    """Fit one synthesizer to every pair of a data set, each by itself, and sample from each."""

    system: str
    plugin: str
    dataset: str
    """`davis17`."""
    data: str
    """Manifest of the split whose episodes' first supports are the pairs."""
    pairs: Annotated[int, Field(ge=1)]
    """How many of them, from the first."""
    parameters: dict[str, Any]
    """Training and sampling parameters, keyword arguments of the plugin's `build`."""
    samples: Annotated[int, Field(ge=1)]
    """Pairs that are made of each."""
    keep: Annotated[float, Field(gt=0, le=1)]
    """Share of them that the filter keeps (OSMIS, section 4.3)."""
    nets: dict[str, str] = {}
    """Network of the filter -> manifest of its published weights, the preferred one first."""
    insist: bool = False
    """Whether it is a mistake that they cannot be had, rather than a reason to do with another network."""
    seed: int
    precision: Precision
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    compile: bool = False
