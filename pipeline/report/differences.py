"""differences.yaml beside suite.yaml: why a number may differ from a printed one, as far as the study is concerned."""

from pipeline.job import Facts


class Disagreement(Facts):
    """A point on which a paper and its authors' code do not say the same, or one of them says nothing."""

    about: str
    paper: str
    code: str
    here: str
    """What is done here by default, and how the other reading is chosen."""


class Differences(Facts):
    """differences.yaml, whole. What a plugin chose stands in its plugin.yaml."""

    protocols: dict[str, str] = {}
    """Protocol -> how its episodes are drawn, framed and scored."""
    disagreements: list[Disagreement] = []
