"""What `evaluate` leaves and `report` reads: statistics of every episode, and the pictures of the first few.

Beside `seed0.json` lie `seed0.npz` (pictures) and `seed0.timing.json` (seconds and device, outside every digest).
The archive holds for episode e: `e/support<k>` (h, w, 3) and `e/query<q>` (H, W, 3) images, `e/mask<k>` (h, w) and
`e/truth<q>` (H, W) index masks and `e/prediction<q>` (O, H, W) probabilities, all uint8 (probabilities times 255).
Where images recur, the episode with the lowest IoU is there as well.
Of a synthesizer there are `e/support0` and `e/mask0`, the given pair, and `e/sample<i>` and `e/sample_mask<i>`.
Where a track keeps a film, there is `e/film` (h, w, 4) of every episode: its first query made small, with the
probability of object 1; where it keeps videos, `e/video<q>` (h, w, 4) of every query q, with the label of each pixel
instead; where it keeps supports, `e/shown` (h, w, 3) is the first support, in one of the episodes with it.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipeline.errors import UserError
from pipeline.job import Facts
from pipeline.manifest import write_json

Trunk = Literal["pretrained", "scratch", "none"]
"""Where a trunk's weights came from; `none` for a system without any."""
Columns = dict[str, list[Any]]
"""Column name -> one value a row; rows are (episode, query, object) or episodes, as the statistic says."""


class Scores(Facts):
    """One evaluation's result."""

    recipe: dict[str, Any]
    """The `EvaluateJob` as JSON."""
    code: str
    inputs: dict[str, str | None]
    complete: bool
    """False when trained or tested on a subset of the official data."""
    weights: Trunk
    status: Literal["ok", "failed"] = "ok"
    reason: str = ""
    """Why it failed, in one line."""
    names: list[str] = []
    """Of the episodes, where they have any: videos, pairs."""
    failed: dict[int, str] = {}
    """Episode -> why it could not be scored, in one line; the others are."""
    networks: dict[str, str] = {}
    """Statistic -> the network through which it looks at images, where it is not the published one for certain."""
    statistics: dict[int, dict[str, Columns]] = {}
    """Shots -> statistic -> columns."""


class EpisodeTime(Facts):
    """How long an episode takes, by `pipeline.evaluate.clock`."""

    median: float
    """Seconds."""
    episodes: int
    """How many were timed."""


class Timing(Facts):
    """How long a job took and on what; outside every digest."""

    seconds: float
    device: str
    """`cpu (2 threads)` or the card's name."""
    shots: dict[int, EpisodeTime] = {}
    """Number of supports -> seconds of an episode, where they were taken."""
    memory: int | None = None
    """Most bytes in use: of tensors on the card, or of the whole process on a CPU."""


def read_scores(path: Path) -> Scores:
    """Read one evaluation's scores; `UserError` where the file is missing or broken."""
    try:
        return Scores.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run snakemake, which makes it") from None
    except ValidationError as error:
        raise UserError(f"{path} holds no scores ({error.errors()[0]['msg']}): delete it and run snakemake") from None


def timing_path(path: Path) -> Path:
    """`seed0.json` or the folder `seed0` -> `seed0.timing.json`."""
    return path.with_name(path.name.removesuffix(".json") + ".timing.json")


def write_timing(path: Path, seconds: float, device: str, **more: Any) -> None:
    """Write the timing beside the product or manifest `path`; `more` are further fields of `Timing`."""
    timing = Timing(seconds=round(seconds, 2), device=device, **more)
    write_json(timing_path(path), timing.model_dump(mode="json", exclude_defaults=True))


def read_timing(path: Path) -> Timing | None:
    """The timing beside `path`, or None where there is none."""
    found = timing_path(path)
    return Timing.model_validate_json(found.read_text()) if found.exists() else None
