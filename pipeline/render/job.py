"""The job of one split."""

from typing import Any

from pipeline.job import Facts


class RenderJob(Facts):
    """Render episodes [0, episodes) of one split of one data set."""

    dataset: str
    """`clutter-n32`."""
    split: str
    """`test_one_shot`, or `test_one_shot-instances` for a split's oracle data."""
    renderer: str
    """Module below `pipeline.render` that makes the episodes."""
    parameters: dict[str, Any] = {}
    """Keyword arguments of the renderer, as suite.yaml gives them with the level filled in."""
    sources: dict[str, str]
    """Source, bank or gallery -> its manifest (`data/raw/real/omniglot.json`)."""
    spare: list[str] = []
    """Those of them that stand in where others lack something; whether they are complete does not count."""
    episodes: int | None
    """How many; a shorter split is the prefix of a longer one. None for a gallery, which takes all images."""
    stream: bool = False
    """Keep the recipe and what replaying needs instead of the episodes (train splits only)."""
