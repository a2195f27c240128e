"""The plan: how much each profile asks for, and how settings, suites and plugins become jobs."""

import functools
import importlib
import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from miniature import SEGMENTERS
from torch.utils.flop_counter import FlopCounterMode
from toys import TOYS, random_batch

from pipeline.closure import ROOT
from pipeline.download.samples import omniglot
from pipeline.errors import UserError
from pipeline.evaluate.job import EvaluateJob
from pipeline.plan import NAME, Plan
from pipeline.render.renderer import make_renderer
from pipeline.settings import PROFILES, load_settings
from pipeline.train.job import TrainJob

STAGES = ("download", "texturize", "render", "train", "synthesize", "evaluate")
UNITS = {
    "download": "data/raw/{origin}/{source}.json",
    "texturize": "data/textures/{profile}/{bank}.json",
    "render": "data/episodes/{profile}/{dataset}/{split}.json",
    "train": "models/{profile}/{system}/{trained_on}/seed{seed}.json",
    "synthesize": "data/synthetic/{profile}/{system}/{dataset}/seed{seed}.json",
    "evaluate": "results/scores/{profile}/{system}/{trained_on}/{tested_on}/{augmentation}/seed{seed}.json",
}


@functools.lru_cache
def plan(profile: str, **config) -> Plan:
    """The plan of the real project."""
    return Plan(load_settings(ROOT / "params.yaml", {"profile": profile, **config}))


def values(found: Plan, stage: str):
    return [job.values for job in found.jobs[stage].values()]


def scored(found: Plan):
    """Evaluations of segmenters; those of synthesizers measure pairs."""
    return [job for job in values(found, "evaluate") if isinstance(job, EvaluateJob)]


# How much: bounds that a change has to break knowingly. The numbers are upper ones, of all suites together.


@pytest.mark.parametrize(
    ("profile", "jobs", "torch_processes"), [("sample", 80, 66), ("lite", 220, 170), ("paper", 510, 470)]
)
def test_jobs_and_processes_that_import_torch(profile, jobs, torch_processes):
    counts = {stage: len(plan(profile, suites="clutter").jobs[stage]) for stage in STAGES}
    assert sum(counts.values()) <= jobs
    assert counts["train"] + counts["evaluate"] <= torch_processes


@functools.lru_cache
def flop_of(plugin: str, parameters: str, needs: tuple[tuple[str, str, str], ...]) -> float:
    """Of a whole training: one episode of clutter, forward and backward, times the samples of each stage."""
    weights = {name: built(other, given, ()).weights() for name, other, given in needs}
    batch = random_batch(supports=[(32, 32)], queries=[(96, 96)])
    total = 0.0
    for stage in built(plugin, parameters, weights).stages:
        stage.setup(torch.device("cpu"), torch.float32)
        with FlopCounterMode(display=False) as counter:
            stage.step([batch], 0)
        total += counter.get_total_flops() / len(batch.queries[0].images) * stage.samples
    return total


def built(plugin: str, parameters: str, weights):
    module = importlib.import_module(f"plugins.{plugin}.model")
    return module.build(**json.loads(parameters), **({"weights": weights} if weights else {}))


def training_flop(job: TrainJob, jobs) -> float:
    needs = tuple((name, jobs[path].values) for name, path in job.needs.items())
    return flop_of(
        job.plugin,
        json.dumps(job.parameters),
        tuple((name, other.plugin, json.dumps(other.parameters)) for name, other in needs),
    )


@pytest.mark.parametrize(("profile", "most"), [("sample", 3e12), ("lite", 7e17), ("paper", 2e19)])
def test_floating_point_operations_of_training(profile, most):
    jobs = plan(profile, suites="clutter").jobs["train"]
    flop = sum(training_flop(job.values, jobs) for job in jobs.values())
    assert most / 10 < flop <= most


@pytest.fixture(scope="module")
def drawings(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("omniglot")
    omniglot.generate(folder, {}, 0)
    return folder


@pytest.mark.parametrize(("profile", "most"), [("sample", 0.7e9), ("lite", 0.9e12), ("paper", 0.9e12)])
def test_bytes_of_stores_before_compression(profile, most, drawings):
    @functools.lru_cache
    def episode(renderer: str, split: str, parameters: str) -> int:
        made = make_renderer(renderer, split=split, sources={"omniglot": drawings}, parameters=json.loads(parameters))
        return sum(np.prod(a.shape, dtype=int) * np.dtype(a.dtype).itemsize for a in made.layout.arrays.values())

    jobs = values(plan(profile, suites="clutter"), "render")
    total = sum(job.episodes * episode(job.renderer, job.split, json.dumps(job.parameters)) for job in jobs)
    assert total <= most
    streamed = [job for job in values(plan(profile, suites="clutter", stream=True), "render") if not job.stream]
    assert sum(job.episodes * episode(job.renderer, job.split, json.dumps(job.parameters)) for job in streamed) < 3e10


# What: names, uniqueness, consistency.


@pytest.mark.parametrize("profile", PROFILES)
def test_names_are_those_of_the_units(profile):
    for stage, pattern in UNITS.items():
        unit = re.compile(re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{NAME})", re.escape(pattern)))
        for output in plan(profile).jobs[stage]:
            assert unit.fullmatch(output), output


@pytest.mark.parametrize("profile", PROFILES)
def test_every_input_is_made_by_an_earlier_stage(profile):
    made: set[str] = set()
    for stage in STAGES:
        here = plan(profile).jobs[stage]
        for job in here.values():
            own = {needed for needed in job.manifests if needed in here} if stage in ("render", "train") else set()
            assert set(job.manifests) - own <= made
            assert len(job.products) == len(job.manifests)
        assert not made & set(here)
        made |= set(here)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_evaluation_is_in_the_table_and_every_cell_is_evaluated(profile):
    found = plan(profile)
    assert {path for cell in found.cells for path in cell.files} == set(found.scores)
    keys = [
        (c.suite, c.track, c.dataset, c.split, c.system, c.trained_on, c.snapshot, c.shots, c.augmentation, c.metric)
        for c in found.cells
    ]
    assert len(set(keys)) == len(keys)


def test_equal_settings_make_equal_plans():
    first, second = (Plan(load_settings(ROOT / "params.yaml", {"profile": "lite"})) for _ in range(2))
    for stage in STAGES:
        assert [job.json for job in first.jobs[stage].values()] == [job.json for job in second.jobs[stage].values()]
    assert first.cells == second.cells


def test_profiles_share_no_output():
    outputs = [set(plan(profile).jobs[stage]) for profile in PROFILES for stage in STAGES[1:]]
    assert len(set.union(*outputs)) == sum(map(len, outputs))
    assert plan("sample").jobs["download"].keys().isdisjoint(plan("lite").jobs["download"])
    assert plan("lite").jobs["download"].keys() == plan("paper").jobs["download"].keys()


# Settings.


def test_the_budget_multiplies_training_samples_and_test_episodes():
    def samples(job):
        return sum(value for key, value in job.parameters.items() if key.endswith("samples"))

    for stage, count in (("train", samples), ("render", lambda job: job.episodes)):
        full, part = ({o: count(j.values) for o, j in plan("lite", budget=b).jobs[stage].items()} for b in (1.0, 0.1))
        least = 50 if stage == "render" else 1  # episodes that a test has at least, if there are so many
        counts = {output: number for output, number in full.items() if number is not None}  # a gallery takes all
        wanted = {output: max(round(number / 10), min(least, number)) for output, number in counts.items()}
        assert {output: part[output] for output in counts} == wanted


def test_a_budget_never_exceeds_what_a_data_set_has():
    full, more = ({o: j.values.episodes for o, j in plan("paper", budget=b).jobs["render"].items()} for b in (1.0, 3.0))
    assert more == full


def test_episodes_override_those_of_every_test_split():
    for output, job in plan("lite", episodes=70, suites="clutter").jobs["render"].items():
        assert job.values.episodes == (2_000_000 if "/train" in output else 70)
    assert {job.episodes for job in scored(plan("lite", episodes=20))} == {20}


@pytest.mark.parametrize("rule", ["skip", "fail"])
def test_the_rule_for_images_that_are_not_on_disk_reaches_the_gallery(rule):
    found = plan("lite", suites="pascal5i", pascal_missing=rule)
    assert found.jobs["render"]["data/episodes/lite/voc/images.json"].values.parameters["missing"] == rule


def test_a_stream_is_of_train_splits_alone():
    found = plan("sample", stream=True)
    assert {job.split for job in values(found, "render") if job.stream} == {"train", "train-instances"}
    assert all(set(job.renderers) == set(job.data) for job in values(found, "train"))
    assert all(
        f"pipeline.render.{name}" in j.modules
        for j in found.jobs["train"].values()
        for name in j.values.renderers.values()
    )
    assert not any(job.renderers for job in values(plan("sample"), "train"))


def test_several_ranks_start_under_torchrun():
    assert plan("sample").launcher == "python"
    assert plan("sample", ranks=2).launcher == "torchrun --standalone --nproc-per-node 2"
    assert {job.threads for job in plan("sample", ranks=2).jobs["train"].values()} == {2}


# Plugins: toys in a project of their own.


@pytest.fixture
def toys(tmp_path):
    """Plan a project of toy plugins, after changing their facts by (file, old, new)."""
    shutil.copytree(ROOT / "pipeline" / "suites", tmp_path / "pipeline" / "suites")
    for name in SEGMENTERS:
        shutil.copytree(TOYS / name, tmp_path / "plugins" / name)

    def make(*changes: tuple[str, str, str], **config) -> Plan:
        for name, old, new in changes:
            path = tmp_path / (name if "/" in name else f"plugins/{name}/plugin.yaml")
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
        return Plan(load_settings(ROOT / "params.yaml", {"clutter_levels": "4"} | config), root=tmp_path)

    return make


def test_a_training_set_is_all_of_its_data_sets():
    (job,) = [job for job in values(plan("lite"), "train") if job.trained_on == "clutter-all"]
    levels = (4, 8, 16, 32, 64, 128, 256)
    assert job.data == {f"clutter-n{n}/train": f"data/episodes/lite/clutter-n{n}/train.json" for n in levels}


def test_oracle_data_reach_only_those_who_declare_them():
    found = plan("sample")
    for jobs in (values(found, "train"), scored(found)):
        given = {job.plugin for job in jobs if job.oracle}
        assert given <= {"presegmented_discriminator", "cluttered_discriminator", "template_matching"}
    assert {job.plugin for job in scored(found) if job.truth} == {"best_proposal"}


def test_the_schedule_is_the_least_share_of_the_published_training():
    found = plan("lite", budget=0.1)
    shares = {cell.system: cell.schedule for cell in found.cells if cell.trained_on != "clutter-all"}
    assert shares["siamese_unet"] == 200_000 / 40_000_000
    own = (50_000 + 200_000) / 20_000_000
    assert shares["masknet"] == shares["best_proposal"] == min(shares["siamese_unet"], own)
    assert shares["masknet-masked_scene"] == min(shares["masknet"], 200_000 / 10_000_000)
    assert shares["template_matching"] is None


def test_the_schedule_of_a_short_variant_is_a_share_of_what_is_published():
    shares = {cell.system: cell.schedule for cell in plan("lite", suites="texture").cells}
    assert shares["texture_net"] == shares["texture_net-variable_patch"] == 160_000 / 8_000_000
    assert shares["texture_net-narrow"] == shares["texture_net-narrow_variable_patch"] == 6_000 / 8_000_000


def test_a_split_that_no_track_asks_for_can_be_rendered(toys):
    found = toys()
    job = found.find("render", "data/episodes/sample/clutter-n7/val_train-instances.json")
    assert (job.values.dataset, job.values.parameters) == ("clutter-n7", {"characters": 7, "instances": True})


def test_what_a_user_gives_enters_by_its_setting_alone():
    without, given = (plan("sample", suites="pascal5i", pascal_masks=folder) for folder in ("", "masks"))
    added = set(given.outputs("evaluate")) - set(without.outputs("evaluate"))
    assert added == {
        f"results/scores/sample/imported_masks/none/pascal5i-fold{f}-oslsm/none/seed0.json" for f in (0, 1)
    }
    jobs = [given.find("evaluate", path).values for path in added]
    assert all((job.evaluate_parameters, job.shots) == ({"folder": "masks"}, [5]) for job in jobs)
    both = plan("sample", suites="pascal5i", pascal_masks="masks", pascal_masks_shots="1,5")
    assert {cell.shots for cell in both.cells if cell.system == "imported_masks"} == {1, 5}
    for ask in (lambda: plan("sample", systems="imported_masks"), lambda: without.scores_of("imported_masks")):
        with pytest.raises(UserError, match="takes part only where pascal_masks is set: add --config pascal_masks="):
            ask()


def test_weights_that_a_mirror_alone_has_enter_by_their_setting(tmp_path, monkeypatch):
    monkeypatch.delenv("GLIMPSE_MIRROR", raising=False)
    given = {"suites": "pascal5i", "systems": "oslsm-alexnet_771,logreg-alexnet_771"}
    with pytest.raises(UserError, match="takes part only where alexnet_771 is set: add --config alexnet_771="):
        plan("lite", **given)
    with pytest.raises(UserError, match=r"alexnet_771=true, but there is no mirror: list alexnet_771\.pth in a mirror"):
        plan("lite", **given, alexnet_771=True)
    mirror, entry = tmp_path / "mirror.yaml", {"files": [], "complete": True}
    mirror.write_text(json.dumps({"alexnet": entry}))
    with pytest.raises(UserError, match=f"but the mirror {tmp_path} has no 'alexnet_771': list alexnet_771"):
        plan("lite", **given, alexnet_771=True, mirror=str(tmp_path))
    mirror.write_text(json.dumps({"alexnet_771": entry}))
    found = plan("lite", **given, alexnet_771=True, mirror=str(tmp_path))
    assert {(cell.system, cell.dataset) for cell in found.cells} == {
        ("oslsm-alexnet_771", "pascal5i-fold0"),
        ("logreg-alexnet_771", "pascal5i-fold0"),
    }
    assert "data/raw/real/alexnet_771.json" in found.jobs["download"]


def test_a_system_that_takes_no_part_where_it_is_named_is_told():
    message = "'osvos-squeezenet' takes no part under the current settings .profile sample, suites augmentation."
    with pytest.raises(UserError, match=message):
        plan("sample", suites="augmentation", systems="osvos-squeezenet")
    with pytest.raises(UserError, match="no table for the system 'osvos-squeezenet'; it takes no part under"):
        plan("sample", suites="augmentation").scores_of("osvos-squeezenet")


def test_what_another_profile_makes_says_so():
    with pytest.raises(UserError, match=r"nothing makes .* add --config profile=lite"):
        plan("sample", suites="texture").find("texturize", "data/textures/lite/conv1_1.json")


def test_needs_become_edges(toys):
    found = toys()
    start = "models/sample/toy_trained/clutter-n4/seed0.json"
    job = found.jobs["train"]["models/sample/toy_two_stages/clutter-n4/seed0.json"]
    assert job.values.needs == {"start": start}
    assert start in job.manifests
    assert start.removesuffix(".json") in job.products


def test_what_a_chosen_system_needs_is_trained_and_not_evaluated(toys):
    found = toys(systems="toy_two_stages")
    assert [Path(output).parts[2] for output in found.outputs("train")] == ["toy_trained", "toy_two_stages"]
    assert {job.system for job in values(found, "evaluate")} == {"toy_two_stages"}
    assert found.table_systems == ["toy_two_stages"]


def test_an_untrained_system_may_need_weights(toys):
    found = toys(("toy_two_stages", "trained: true", "trained: false"))
    (job,) = [job for job in values(found, "evaluate") if job.system == "toy_two_stages"]
    assert job.model is None
    assert job.needs == {"start": "models/sample/toy_trained/clutter-n4/seed0.json"}


def test_variants_of_evaluation_alone_share_the_model_of_the_base(toys):
    found = toys(
        ("toy_trained", "wide: {train: {width: 16}}", "quick: {evaluate: {batch: 5}}"),
        systems="toy_trained,toy_trained-quick",
    )
    assert found.outputs("train") == ["models/sample/toy_trained/clutter-n4/seed0.json"]
    jobs = {job.system: job for job in values(found, "evaluate")}
    assert jobs["toy_trained"].model == jobs["toy_trained-quick"].model == found.outputs("train")[0]
    assert jobs["toy_trained-quick"].evaluate_parameters == {"batch": 5}


def test_every_seed_is_a_training_and_untrained_systems_have_one(toys):
    found = toys(seeds="0,1,2", systems="toy_trained,toy_untrained")
    assert [path[-10:] for path in found.outputs("train")] == ["seed0.json", "seed1.json", "seed2.json"]
    assert {len(cell.scores) for cell in found.cells if cell.system == "toy_trained"} == {3}
    assert {len(cell.scores) for cell in found.cells if cell.system == "toy_untrained"} == {1}


def test_levels_scored_together_are_a_cell_beside_their_own(toys):
    metrics = "    metrics: {iou: Table 1, localization_accuracy: Table 2}\n"
    together = "    together: {dataset: clutter, trained_on: clutter, of: 3}\n"
    change = ("pipeline/suites/clutter/suite.yaml", metrics, together + metrics)
    found = toys(change, clutter_levels="4,8", seeds="0,1", systems="toy_trained,toy_untrained")
    cells = [cell for cell in found.cells if cell.dataset == "clutter" and cell.metric == "iou"]
    trained, untrained = sorted(cells, key=lambda cell: cell.trained_on is None)
    assert trained.scores == [
        [
            f"results/scores/sample/toy_trained/{n}/{n}-test_one_shot/none/seed{k}.json"
            for n in ("clutter-n4", "clutter-n8")
        ]
        for k in (0, 1)
    ]
    assert len(trained.models) == 4
    assert (trained.trained_on, trained.whole, untrained.trained_on) == ("clutter", False, None)
    part = toys(("toy_trained", "track: scenes", "track: scenes, levels: {n: [4]}"), clutter_levels="4,8")
    assert not [cell for cell in part.cells if cell.system == "toy_trained" and cell.dataset == "clutter"]


def test_the_first_of_a_systems_training_sets_goes_without_saying_where_the_tracks_own_is_none_of_them():
    cells = [cell for cell in plan("lite", suites="pascal5i").cells if cell.dataset == "pascal5i"]
    found = {cell.trained_on: cell.home for cell in cells if (cell.system, cell.split) == ("hsnet", "hsnet")}
    assert found == {"pascal5i": True, "pascal5i_items_10582": False}


@pytest.mark.parametrize(
    ("small", "large"),
    [("voc_sbd_5953", "items_10582"), ("single_class_5953", "trainaug_10582")],
)
def test_training_lists_of_pascal_are_compared_under_one_sampler(small, large):
    jobs = plan("lite", suites="pascal5i").jobs["render"]
    given = [jobs[f"data/episodes/lite/pascal5i_{name}-fold1/train.json"].values.parameters for name in (small, large)]
    assert [each["list"] for each in given] == ["voc_sbd_5953", "trainaug_10582"]
    assert given[0] | {"list": "trainaug_10582"} == given[1]


ALONG = "    snapshots: {sample: [20, 60], lite: [], paper: []}\n    chosen_on: clutter-n{n}/val_train\n"


def test_what_enters_with_snapshots_keeps_them_and_has_a_cell_of_each_and_of_the_chosen_one(toys):
    found = toys(
        ("pipeline/suites/clutter/suite.yaml", "    metrics: {iou: Table 1", ALONG + "    metrics: {iou: Table 1"),
        ("toy_trained", "track: scenes", "track: scenes, snapshots: true"),
        systems="toy_trained,toy_two_stages",
        seeds="0,1",
        clutter_levels="4",
    )
    kept = {job.system: job.snapshots for job in values(found, "train")}
    assert kept == {"toy_trained": [20, 60], "toy_two_stages": []}
    cells = {(cell.metric, cell.snapshot): cell for cell in found.cells if cell.system == "toy_trained"}
    assert [name for metric, name in cells if metric == "iou"] == ["", "20%", "60%", "val_train"]
    assert [name for metric, name in cells if metric != "iou"] == ["", "val_train"]
    place = "results/scores/sample/toy_trained/clutter-n4{at}/clutter-n4-{split}/none/seed{seed}.json"
    assert cells["iou", "60%"].scores == [
        [place.format(at="-at60", split="test_one_shot", seed=seed)] for seed in (0, 1)
    ]
    assert cells["iou", "60%"].schedule == 0.6 * cells["iou", ""].schedule
    assert cells["iou", "val_train"].choice.among == [
        [{place.format(at=at, split="test_one_shot", seed=seed): place.format(at=at, split="val_train", seed=seed)
          for at in ("-at20", "-at60", "")}]
        for seed in (0, 1)
    ]  # fmt: skip
    assert {path for cell in found.cells for path in cell.files} == set(found.scores)
    jobs = {path: job.values for path, job in found.jobs["evaluate"].items()}
    assert jobs[place.format(at="-at60", split="val_train", seed=1)].snapshot == 60


def test_folds_scored_together_choose_and_are_told_snapshot_by_snapshot():
    found = plan("lite", suites="pascal5i", seeds="0,1")
    cells = {
        (cell.snapshot, cell.shots, cell.metric): cell
        for cell in found.cells
        if (cell.system, cell.dataset, cell.split) == ("sg_one", "pascal5i", "oslsm_original")
        and cell.trained_on == "pascal5i"
    }
    assert [snapshot for snapshot, shots, metric in cells if (shots, metric) == (5, "miou")] == [
        "", "20%", "40%", "60%", "80%", "base_val",
    ]  # fmt: skip
    place = "results/scores/lite/sg_one/pascal5i_trainaug_10582-fold{f}{at}/pascal5i-fold{f}-{split}/none/seed{k}.json"
    assert cells["40%", 1, "miou"].scores == [
        [place.format(f=f, at="-at40", split="oslsm_original", k=k) for f in range(4)] for k in (0, 1)
    ]
    choice = cells["base_val", 5, "fb_iou"].choice
    assert (choice.metric, choice.shots, choice.percents) == ("miou", 1, [20, 40, 60, 80, 100])
    ends = ("-at20", "-at40", "-at60", "-at80", "")
    assert choice.among == [
        [
            {place.format(f=f, at=at, split="oslsm_original", k=k): place.format(f=f, at=at, split="base_val", k=k)
             for at in ends}
            for f in range(4)
        ]
        for k in (0, 1)
    ]  # fmt: skip
    assert [list(part) for seed in choice.among for part in seed] == [
        [place.format(f=f, at=at, split="oslsm_original", k=k) for at in ends] for k in (0, 1) for f in range(4)
    ]


def test_snapshots_are_kept_whatever_systems_are_named():
    named = plan("sample", suites="pascal5i", systems="sg_one-max")
    every = plan("sample", suites="pascal5i")
    (path, *_) = named.outputs("train")
    assert every.jobs["train"][path].values == named.jobs["train"][path].values
    assert named.jobs["train"][path].values.snapshots == [50]


MISTAKES = {
    "snapshots that do not ascend": (
        (
            "pipeline/suites/clutter/suite.yaml",
            "    metrics: {iou: Table 1",
            "    snapshots: [40, 20]\n    metrics: {iou: Table 1",
        ),
        "they must ascend, each named once",
    ),
    "snapshots where supports are extended": (
        (
            "pipeline/suites/clutter/suite.yaml",
            "    metrics: {iou: Table 1",
            "    snapshots: [40]\n    augmentation: [none, standard]\n    metrics: {iou: Table 1",
        ),
        ("toy_trained", "track: scenes", "track: scenes, snapshots: true"),
        "asks for snapshots, but the track 'scenes' extends supports; leave 'snapshots' out",
    ),
    "snapshots of what is not trained": (
        ("toy_untrained", "track: scenes", "track: scenes, snapshots: true"),
        "'enters' asks for snapshots, but the plugin finds no `snapshots` in the track 'scenes'; leave",
    ),
    "needs without a system": (
        ("toy_two_stages", "toy_trained", "toy_traned"),
        "'needs' names no system: 'toy_traned'; did",
    ),
    "needs in a circle": (
        ("toy_trained", "variants:", "needs: {start: toy_two_stages}\nvariants:"),
        "runs in a circle: ",
    ),
    "needs of itself": (("toy_two_stages", "start: toy_trained", "start: toy_two_stages"), "runs in a circle: "),
    "no such track": (("toy_trained", "track: scenes", "track: scene"), "has no track 'scene'; did you mean 'scenes'"),
    "no such variant": (
        ("toy_trained", "[test_one_shot]", "[test_one_shot], variants: [wid]"),
        "names no variant: 'wid'",
    ),
    "no such level": (
        ("toy_trained", "[test_one_shot]", "[test_one_shot], levels: {m: [4]}"),
        "has no level 'm'; known: n",
    ),
    "an oracle without data": (
        ("toy_untrained", "trained: false", "trained: false\noracle: [instance]"),
        "asks for the oracle data 'instance', which the data set",
    ),
    "no such suite": (("toy_trained", "suite: clutter", "suite: cluter"), "names no suite: 'cluter'; did you mean"),
    "no such test split": (("toy_trained", "[test_one_shot]", "[test_one]"), "no test split 'test_one'; did you mean"),
    "nothing to train on": (
        ("toy_trained", "track: scenes, splits: [test_one_shot]", "track: five_way"),
        "trains on nothing",
    ),
    "no such split": (
        ("pipeline/suites/clutter/suite.yaml", " test_one_shot: {", " test_oneshot: {"),
        "no split 'test_one_shot'; did you mean",
    ),
    "no such source": (
        ("pipeline/suites/clutter/suite.yaml", "[omniglot]", "[omniglott]"),
        "unknown source 'omniglott'; did",
    ),
    "entered by no setting": (
        ("toy_trained", "track: scenes", "track: scenes, given: pascal_mask"),
        "names no setting: 'pascal_mask'; did you mean 'pascal_masks",
    ),
    "shots of no setting": (
        ("toy_trained", "track: scenes", "track: scenes, shots: shots"),
        "names no setting: 'shots'",
    ),
    "shots that the track has not": (
        ("toy_trained", "track: scenes", "track: scenes, shots: pascal_masks_shots"),
        "pascal_masks_shots=5: the track 'scenes' scores 1; set one of them",
    ),
    "no such setting": (
        ("pipeline/suites/clutter/suite.yaml", "n: clutter_levels", "n: levels"),
        "'levels', which is no",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_plugins_or_suites_is_one_line(toys, mistake):
    *changes, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        toys(*changes)
    assert "\n" not in str(caught.value)


def test_what_nothing_makes_is_a_mistake(toys):
    with pytest.raises(UserError, match=r"nothing makes models/x.json under the current settings \(profile sample"):
        toys().find("train", "models/x.json")
    with pytest.raises(UserError, match="no table for the system 'toy_traind'; did you mean 'toy_trained'"):
        toys().scores_of("toy_traind")


def test_supports_as_they_are_have_one_run_and_every_run_is_compared_with_it():
    found = plan("lite", suites="augmentation", systems="osvos-narrow,osmis-narrow", runs="3")
    seeds = defaultdict(set)
    for job in values(found, "evaluate"):
        seeds[job.augmentation].add(job.seed)
    extended = {kind: {0, 1, 2} for kind in ("standard", "osmis_narrow", "standard-osmis_narrow")}
    assert seeds == {"none": {0}, **extended}
    gains = [cell for cell in found.cells if cell.metric.endswith("_gain")]
    assert {len(cell.scores) for cell in gains} == {3}
    for cell in gains:
        against = "standard" if cell.augmentation.startswith("standard-") else "none"
        run = {"none": (0, 0, 0), "standard": (0, 1, 2)}[against]
        assert [{Path(path).parent.name for path in parts} for parts in cell.reference] == [{against}] * 3
        assert tuple(int(Path(path).stem[4:]) for path, *_ in cell.reference) == run


@pytest.mark.parametrize(("budget", "tasks"), [(1.0, 1000), (0.1, 100), (0.01, 50)])
def test_every_run_on_coco_has_tasks_of_its_own_and_is_compared_with_the_same_ones(budget, tasks):
    found = plan("lite", suites="augmentation", systems="frozen_repri,osmis-narrow", runs="3", budget=budget)
    stored = found.jobs["render"]["data/episodes/lite/coco20i-fold0/restricted.json"].values.episodes
    assert stored == 3 * tasks
    augmentations = {"none", "standard", "osmis_narrow", "standard-osmis_narrow"}
    jobs = [job for job in scored(found) if job.tested_on == "coco20i-fold0-restricted"]
    assert {(job.augmentation, job.seed, job.first, job.episodes) for job in jobs} == {
        (augmentation, run, run * tasks, tasks) for augmentation in augmentations for run in range(3)
    }
    gains = [cell for cell in found.cells if cell.metric == "miou_gain"]
    assert {cell.dataset for cell in gains} == {"coco20i", *(f"coco20i-fold{f}" for f in range(4))}
    for cell in gains:
        runs = [
            [Path(path).stem for path in (*own, *other)] for own, other in zip(cell.scores, cell.reference, strict=True)
        ]
        assert runs == [[f"seed{run}"] * 2 * len(cell.scores[0]) for run in range(3)]


def test_scores_name_supports_that_many_episodes_share():
    jobs = scored(plan("sample"))
    assert {job.tested_on for job in jobs if job.by_support} == {"coco20i-fold0-restricted"}
    assert all(job.by_support for job in jobs if job.tested_on == "coco20i-fold0-restricted")


def test_the_sample_scores_one_run_on_coco():
    found = plan("sample", suites="augmentation")
    assert found.jobs["render"]["data/episodes/sample/coco20i-fold0/restricted.json"].values.episodes == 20
    assert {(job.seed, job.first) for job in scored(found) if job.tested_on.startswith("coco20i")} == {(0, 0)}


def test_a_split_may_be_for_some_numbers_of_supports_alone():
    found = plan("lite", suites="pascal5i")
    jobs = {tuple(job.shots) for job in scored(found) if job.tested_on == "pascal5i-fold0-hsnet_one"}
    shots = {(cell.split, cell.shots) for cell in found.cells if cell.protocol == "hsnet"}
    assert (jobs, shots) == ({(1,)}, {("hsnet_one", 1), ("hsnet", 5)})


def test_synthesizers_that_are_named_alone_extend_supports():
    found = plan("lite", suites="augmentation", systems="osvos-narrow,osmis-narrow")
    several = [job.augmentation for job in values(found, "evaluate") if job.tested_on == "davis17-val"]
    assert set(several) == {"none", "standard", "osmis_narrow", "standard-osmis_narrow"}
    assert {Path(path).parts[3] for path in found.jobs["synthesize"]} == {"osmis-narrow"}
    every = plan("lite", suites="augmentation", systems="osvos-narrow")
    assert {"osmis", "osmis-narrow"} <= {Path(path).parts[3] for path in every.jobs["synthesize"]}
