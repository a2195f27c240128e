"""Whether plugins and suites fit together: what `enters` and `needs` name must be there."""

from collections.abc import Collection, Mapping

from pipeline.errors import UserError, nearest
from pipeline.plugin import Enters, System
from pipeline.settings import Settings
from pipeline.suite import Suite, Track


def check_system(
    system: System, systems: Mapping[str, System], suites: Mapping[str, Suite], suites_there: Collection[str]
) -> None:
    """Raise `UserError` for a name that leads nowhere; `suites` are the chosen ones of all that are there."""
    where = f"plugins/{system.plugin}/plugin.yaml"
    for needed in system.needs.values():
        if needed not in systems:
            raise UserError(f"{where}: 'needs' names no system: '{needed}'; {nearest(needed, systems)}")
    _check_circle(system, systems, ())
    for enters in system.facts.enters:
        for setting in filter(None, (enters.given, enters.shots)):
            if setting not in Settings.model_fields:
                hint = nearest(setting, Settings.model_fields)
                raise UserError(f"{where}: 'enters' names no setting: '{setting}'; {hint}")
    for enters in system.facts.enters:
        if enters.suite not in suites_there:
            raise UserError(
                f"{where}: 'enters' names no suite: '{enters.suite}'; {nearest(enters.suite, suites_there)}"
            )
        variants = ["base", *system.facts.variants]
        for variant in enters.variants or []:
            if variant not in variants:
                raise UserError(f"{where}: 'enters' names no variant: '{variant}'; {nearest(variant, variants)}")
        if enters.suite in suites:
            _check_track(system, enters, suites[enters.suite], where)


def fields(system: System, enters: Enters) -> list[str]:
    """The oracle fields that a system sees in one track."""
    return system.facts.oracle if enters.oracle is None else enters.oracle


def chosen(system: System, enters: Enters) -> bool:
    """Whether the entry is one of the system's variant."""
    return enters.variants is None or (system.variant or "base") in enters.variants


def missing_setting(system: System, settings: Settings) -> str | None:
    """The setting that has to be given for the system to take part anywhere; None where it does without."""
    asked = [enters.given for enters in system.facts.enters if chosen(system, enters)]
    if any(given is None or getattr(settings, given, None) for given in asked):
        return None
    return next(iter(asked), None)


def track_of(enters: Enters, track: Track, settings: Settings) -> Track:
    """The track with the entry's numbers of shots; `UserError` for one that it does not score."""
    if enters.shots is None:
        return track
    shots = list(getattr(settings, enters.shots))
    for number in shots:
        if number not in track.shots:
            known = " or ".join(map(str, track.shots))
            raise UserError(f"{enters.shots}={number}: the track '{enters.track}' scores {known}; set one of them")
    return track.model_copy(update={"shots": shots})


def _check_track(system: System, enters: Enters, suite: Suite, where: str) -> None:
    if enters.track not in suite.tracks:
        hint = nearest(enters.track, suite.tracks)
        raise UserError(f"{where}: the suite '{enters.suite}' has no track '{enters.track}'; {hint}")
    track = suite.tracks[enters.track]
    if enters.snapshots and not (track.snapshots and system.facts.trained):
        lack = "is not trained itself" if track.snapshots else f"finds no `snapshots` in the track '{enters.track}'"
        raise UserError(f"{where}: 'enters' asks for snapshots, but the plugin {lack}; leave 'snapshots' out")
    if enters.snapshots and (track.fits or track.augmentation != ["none"]):
        lack = f"the track '{enters.track}' extends supports"
        raise UserError(f"{where}: 'enters' asks for snapshots, but {lack}; leave 'snapshots' out")
    for level in enters.levels:
        if level not in track.each:
            raise UserError(f"{where}: the track '{enters.track}' has no level '{level}'; {nearest(level, track.each)}")
    tested = {path.partition("/")[2] for path in track.tested_on}
    for split in enters.splits or []:
        if split not in tested:
            raise UserError(
                f"{where}: the track '{enters.track}' has no test split '{split}'; {nearest(split, tested)}"
            )
    if system.facts.kind == "synthesizer":
        if track.fits is None:
            message = f"the track '{enters.track}' has no pairs to fit a synthesizer to (`fits`)"
            raise UserError(f"{where}: {message}; leave it out of 'enters'")
    elif system.facts.trained and track.trained_on is None and enters.trained_on is None:
        message = f"it is trained, but the track '{enters.track}' trains on nothing"
        raise UserError(f"{where}: {message}; leave it out of 'enters'")


def _check_circle(system: System, systems: Mapping[str, System], above: tuple[str, ...]) -> None:
    if system.name in above:
        where = f"plugins/{system.plugin}/plugin.yaml"
        raise UserError(f"{where}: 'needs' runs in a circle: {' -> '.join([*above, system.name])}")
    for needed in system.needs.values():
        if needed in systems:
            _check_circle(systems[needed], systems, (*above, system.name))
