"""How well synthesized masks fit their images, by a network trained on them and tested on the real pair: one row."""

from typing import Any

from pipeline.measures.mask_quality import Judge, Schedule
from pipeline.measures.nets import Nets
from pipeline.measures.pair import Pair


def network(nets: Nets, *, width: int = 1, **_: Any) -> str:
    """From what the encoder starts under the parameters of `measure`; `resnet18`, at full width, is published."""
    return "resnet18" if "resnet18" in nets and width == 1 else "scratch"


def measure(
    pair: Pair,
    nets: Nets,
    *,
    width: int = 1,
    iterations: int = 500,
    batch: int = 5,
    tests: int = 101,
    learning_rate: float = 1e-4,
    side: int | None = None,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Columns `staircase` (what the paper calls mIoU), `plain`, `accuracy`; `reverse_` each, trained on the real pair.

    Parameters are those of `Schedule`. `ValueError` where the synthesizer makes no masks.
    """
    if not pair.masks:
        raise ValueError("masks")
    schedule = Schedule(
        width=width,
        iterations=iterations,
        batch=batch,
        tests=tests,
        learning_rate=learning_rate,
        side=side,
        seed=seed,
    )
    judge = Judge(pair, schedule, nets.get("resnet18"))
    columns: dict[str, list[float]] = {}
    for prefix, scores in (("", judge.train_on_fakes()), ("reverse_", judge.train_on_real())):
        for name in ("staircase", "plain", "accuracy"):
            columns[f"{prefix}{name}"] = [float(getattr(scores, name).mean())]
    return columns
