"""A trained system by its manifest: the recipe says how it was built, the folder beside it holds its weights."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.job import parse
from pipeline.manifest import read_manifest
from pipeline.plugin import find_plugins, systems
from pipeline.segmenter import Segmenter
from pipeline.settings import PROFILES, Profile
from pipeline.system import build_system, read_weights
from pipeline.train.job import TrainJob


def load_trained(path: Path) -> Segmenter:
    """The segmenter that the manifest `path` describes, with its weights.

    `UserError` where the manifest is none of a model, its plugin is gone, or it is a synthesizer.
    """
    manifest = read_manifest(path)
    if manifest.kind != "model":
        raise UserError(
            f"{path} describes a {manifest.kind}, not a model: give models/<profile>/<system>/.../seed0.json"
        )
    job = parse(TrainJob, manifest.recipe, str(path))
    segmenter = build_system(job.plugin, job.parameters | _evaluation(job, path), {}, job.seed)
    if not isinstance(segmenter, Segmenter):
        raise UserError(f"{path} holds a synthesizer, which segments nothing: choose a segmenter")
    segmenter.load_weights(read_weights(path))
    return segmenter


def _evaluation(job: TrainJob, path: Path) -> dict[str, object]:
    """Parameters of evaluation as plugin.yaml has them now, under the profile that the manifest's path names."""
    plugins = find_plugins()
    if job.plugin not in plugins:
        raise UserError(f"{path} was made by the plugin '{job.plugin}', which is gone: put plugins/{job.plugin} back")
    profile: Profile = next((name for name in PROFILES if name in path.parts), "paper")
    found = {system.name: system for system in systems({job.plugin: plugins[job.plugin]}, profile)}
    return found[job.system].evaluate if job.system in found else {}
