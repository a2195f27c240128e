"""The cells of the table: one a system, split, metric, number of supports and augmentation, and those of all levels."""

import itertools
from collections.abc import Iterator, Mapping

from pipeline.entries import chosen, fields
from pipeline.plugin import Enters, System
from pipeline.report.job import Cell, Metric
from pipeline.suite import Split, Together, Track


def cells_of(
    system: System,
    enters: Enters,
    track: Track,
    metrics: Mapping[str, Metric],
    train_set: str | None,
    split: Split,
    augmentation: str,
    scores: list[str],
    reference: list[str],
    models: list[str],
    schedule: float | None,
    listed: str,
) -> Iterator[Cell]:
    """The cells of one system on one split under one augmentation, whose `scores` and `models` are a path a seed.

    A gain has one only where there is a `reference` to compare with. `schedule` and `listed` are as in `Cell`.
    """
    for shots, (metric, table) in itertools.product(track.shots, track.metrics.items()):
        gain = metric in metrics and metrics[metric].gain
        if gain and not reference:
            continue
        yield Cell(
            suite=enters.suite,
            track=enters.track,
            table=table,
            dataset=split.dataset,
            split=split.split,
            protocol=track.protocol,
            system=system.name,
            trained_on=train_set if system.learned else None,
            train_list=listed if system.learned else "",
            shots=shots,
            augmentation=augmentation,
            oracle=bool(fields(system, enters)),
            metric=metric,
            scores=[[path] for path in scores],
            reference=[[path] for path in reference] if gain else [],
            models=models,
            schedule=schedule,
            home=track.together is not None and _at_home(system, enters, track),
        )


def pooled(cells: list[Cell], together: Together, wanted: int) -> Iterator[Cell]:
    """One cell for the cells that differ in their level alone; none where the system left out a level of the track."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.split, cell.snapshot, cell.shots, cell.augmentation, cell.metric), []).append(cell)
    for group in groups.values():
        if len(group) == wanted:
            schedules = [cell.schedule for cell in group if cell.schedule is not None]
            seeds, first = zip(*(cell.scores for cell in group), strict=True), group[0]
            references = zip(*(cell.reference for cell in group), strict=True)
            choices = [cell.choice for cell in group if cell.choice]
            among = [[part for (part,) in parts] for parts in zip(*(each.among for each in choices), strict=True)]
            family = together.trained_on if first.home else str(first.trained_on).split("-")[0]
            yield first.model_copy(
                update={
                    "dataset": together.dataset,
                    "trained_on": first.trained_on and family,
                    "scores": [[path for (path,) in parts] for parts in seeds],
                    "reference": [[path for (path,) in parts] for parts in references],
                    "choice": first.choice and first.choice.model_copy(update={"among": among}),
                    "models": [model for cell in group for model in cell.models],
                    "schedule": min(schedules, default=None),
                    "whole": wanted >= together.of,
                }
            )


def _at_home(system: System, enters: Enters, track: Track) -> bool:
    """Whether the system is trained on what the track names, or, where it never is, on the first of its sets there."""
    other = [each for each in system.facts.enters if (each.suite, each.track) == (enters.suite, enters.track)]
    sets = [each.trained_on or track.trained_on for each in other if chosen(system, each)]
    home = track.trained_on if track.trained_on in sets else sets[0]
    return (enters.trained_on or track.trained_on) == home
