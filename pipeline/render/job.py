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
    """Source -> manifest of the raw source (`data/raw/real/omniglot.json`), and bank -> manifest of the bank."""
    episodes: int
    """How many; a shorter split is the prefix of a longer one."""
    stream: bool = False
    """Keep the recipe and what replaying needs instead of the episodes (train splits only)."""
