"""What reruns, and why: the table of the architecture as dry runs on copies of the finished miniature project.

The miniature has one clutter level and five systems: toy_untrained, toy_adapting (both untrained), toy_trained, its
variant toy_trained-wide, and toy_two_stages, which starts from toy_trained's weights.
"""

import os
import shutil
from pathlib import Path

import pytest
from miniature import Miniature

pytestmark = pytest.mark.slow

REPORT = {"write_table": 1, "write_page": 1}
ALL_TRAINED = {"train_system": 3, "evaluate_system": 3, **REPORT}
EVERY_EVALUATION = {"evaluate_system": 5, **REPORT}
NEW_EPISODES = {"render_split": 2, "train_system": 3, **EVERY_EVALUATION}


@pytest.fixture
def project(finished_miniature, tmp_path):
    return finished_miniature.copy(tmp_path / "project", light=True)


def touch_everything(project: Miniature) -> None:
    for folder in ("pipeline", "plugins", "profiles", "envs"):
        for path in (project.path / folder).rglob("*"):
            os.utime(path)
    for name in ("Snakefile", "params.yaml"):
        os.utime(project.path / name)


def reformat_snakefile(project: Miniature) -> None:
    project.edit("Snakefile", "python -m pipeline.launch render", "python  -m  pipeline.launch  render")
    project.edit("Snakefile", "rule render:\n", "rule render:\n    # A remark.\n")


def add_a_setting_nobody_uses(project: Miniature) -> None:
    project.edit("pipeline/settings.py", "    stream: bool\n", "    stream: bool\n    colour: str\n")
    append(project, "params.yaml", "colour: blue\n")


def add_a_plugin(project: Miniature) -> None:
    shutil.copytree(project.path / "plugins" / "toy_untrained", project.path / "plugins" / "toy_other")


def append(project: Miniature, path: str, text: str) -> None:
    with (project.path / path).open("a") as file:
        file.write(text)


def edited(path: str):
    """The change that appends a remark to a file, which changes its bytes and nothing else."""
    return lambda project: append(project, path, "\n# A remark.\n")


def replaced(path: str, old: str, new: str):
    return lambda project: project.edit(path, old, new)


def removed(path: str):
    return lambda project: shutil.rmtree(project.path / path)


TRAINED, TWO_STAGES = "plugins/toy_trained", "plugins/toy_two_stages"

CHANGES = {
    "nothing": (lambda project: None, {}),
    "every file is touched": (touch_everything, {}),
    "the Snakefile is reformatted": (reformat_snakefile, {}),
    "a setting that nobody uses": (add_a_setting_nobody_uses, {}),
    "the plan's code": (edited("pipeline/plan.py"), {}),
    "network code, while the data are the sample": (edited("pipeline/download/fetch.py"), {}),
    "a renderer of other data sets": (edited("pipeline/render/omniglot_5way.py"), {}),
    "layers of other plugins": (edited("pipeline/layers/clutter.py"), {}),
    "a statistic of other tracks": (edited("pipeline/evaluate/statistics/choice.py"), {}),
    "a plugin's remark": (replaced(f"{TRAINED}/plugin.yaml", "licence: MIT", "licence: The MIT licence"), {}),
    "a plugin's model": (edited(f"{TWO_STAGES}/model.py"), {"train_system": 1, "evaluate_system": 1, **REPORT}),
    "a model that another needs": (edited(f"{TRAINED}/model.py"), ALL_TRAINED),
    "a helper that models import": (edited("pipeline/train/supervised.py"), ALL_TRAINED),
    "the training loop": (edited("pipeline/train/loop.py"), ALL_TRAINED),
    "a train parameter": (
        replaced(f"{TWO_STAGES}/plugin.yaml", "samples: 200", "samples: 220"),
        {"train_system": 1, "evaluate_system": 1, **REPORT},
    ),
    "a train parameter of a system that another needs": (
        replaced(f"{TRAINED}/plugin.yaml", "width: 8", "width: 6"),
        {"train_system": 2, "evaluate_system": 2, **REPORT},
    ),
    "a train parameter of a variant": (
        replaced(f"{TRAINED}/plugin.yaml", "width: 16", "width: 12"),
        {"train_system": 1, "evaluate_system": 1, **REPORT},
    ),
    "an evaluate parameter": (
        replaced("plugins/toy_adapting/plugin.yaml", "steps: 5", "steps: 6"),
        {"evaluate_system": 1, **REPORT},
    ),
    "a plugin is added": (add_a_plugin, {"evaluate_system": 1, **REPORT}),
    "a plugin is removed": (removed("plugins/toy_adapting"), REPORT),
    "a variant is added": (
        replaced(f"{TRAINED}/plugin.yaml", "variants:\n", "variants:\n  thin: {train: {width: 4}}\n"),
        {"train_system": 1, "evaluate_system": 1, **REPORT},
    ),
    "a metric's aggregate": (edited("pipeline/report/aggregates.py"), REPORT),
    "a metric's parameter": (replaced("pipeline/suites/clutter/suite.yaml", "{pixels: 5}", "{pixels: 4}"), REPORT),
    "the page's code": (edited("pipeline/report/page.py"), REPORT),
    "published numbers": (replaced("pipeline/suites/clutter/published.tsv", "98.9", "98.8"), REPORT),
    "a claim": (
        replaced("pipeline/suites/clutter/published.yaml", "falls with every step", "falls with each step"),
        REPORT,
    ),
    "a statistic": (edited("pipeline/evaluate/statistics/overlap.py"), EVERY_EVALUATION),
    "the evaluation's code": (edited("pipeline/evaluate/score.py"), EVERY_EVALUATION),
    "a renderer": (edited("pipeline/render/cluttered_omniglot.py"), NEW_EPISODES),
    "a module that a renderer imports": (edited("pipeline/render/transform.py"), NEW_EPISODES),
    "the sample's generator": (edited("pipeline/download/samples/strokes.py"), {"fetch_source": 1, **NEW_EPISODES}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_exactly(project, change):
    make, jobs = CHANGES[change]
    make(project)
    assert project.planned() == jobs


def test_reverting_an_edit_reruns_nothing(project):
    path = project.path / TRAINED / "model.py"
    before = path.read_text()
    edited(f"{TRAINED}/model.py")(project)
    assert project.planned() == ALL_TRAINED
    path.write_text(before)
    assert project.planned() == {}


def test_another_seed_keeps_the_first(project):
    assert project.planned("--config", "seeds=0,1") == ALL_TRAINED


def test_one_system_alone(project):
    assert project.planned("results/systems/toy_trained.tsv") == {"write_system_table": 1}


def test_a_changed_train_parameter_changes_its_own_outputs_alone(project):
    before = project.products()
    project.edit(f"{TWO_STAGES}/plugin.yaml", "samples: 200", "samples: 220")
    project.snakemake()
    after = project.products()
    changed = {Path(name).parts for name in before | after if before.get(name) != after.get(name)}
    system = {parts for parts in changed if "toy_two_stages" in parts}
    assert {parts[0] for parts in system} == {"models", "results"}
    assert changed - system <= {("results", name) for name in ("all.tsv", "summary.json")}
    assert ("results", "all.tsv") in changed
    assert project.planned() == {}


def test_snakemake_looks_for_work_when_a_job_has_ended_and_not_by_the_clock(project):
    printed = project.snakemake("--forceall", "--verbose").stderr
    jobs, looks = printed.count("Finished jobid: "), printed.count("Ready jobs: ")
    assert jobs > 10
    assert looks <= jobs
