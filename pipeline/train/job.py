"""The job of one training."""

from typing import Any, Literal

from pipeline.job import Facts

Precision = Literal["float32", "bfloat16", "float16"]


class TrainJob(Facts):
    """Train one system on one training set under one seed."""

    system: str
    """`siamese_unet-tied`: the plugin and its variant."""
    plugin: str
    trained_on: str
    """Name of the training set: usually the data set's (`clutter-n32`)."""
    parameters: dict[str, Any]
    """Training parameters, keyword arguments of the plugin's `build`."""
    data: dict[str, str]
    """Train split (`clutter-n32/train`) -> its manifest."""
    oracle: dict[str, dict[str, str]] = {}
    """Train split -> oracle field -> manifest of the store that holds it; only for plugins that declare the field."""
    renderers: dict[str, str] = {}
    """Train split -> renderer module, for splits whose manifest is of kind `stream`."""
    needs: dict[str, str] = {}
    """Name in `build`'s weights -> manifest of that system's model."""
    pretrained: dict[str, str] = {}
    """Name in `build`'s weights -> manifest of a source of published weights."""
    insist: bool = False
    """Whether it is a mistake that published weights cannot be had, rather than a reason to do without."""
    snapshots: list[int] = []
    """Percents of the training's episodes after which the weights are kept beside the last ones."""
    seed: int
    precision: Precision
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    compile: bool = False
