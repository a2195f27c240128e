"""DVC around Snakemake: nothing is computed twice, and after a clone and a pull exactly what changed.

The miniature project in a git repository with a folder as DVC's remote; every test works in a copy or clone of it.
"""

import fcntl
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import miniature
import pytest
import yaml
from miniature import ROOT, Miniature

from pipeline.errors import UserError
from pipeline.snakefile import require_records

REPORT = {"write_table": 1, "write_page": 1}
ONE_CELL = {"evaluate_system": 1, **REPORT}
SHARPNESS = ("plugins/toy_untrained/plugin.yaml", "sharpness: 10.0", "sharpness: 3.0")
SAMPLES = ("plugins/toy_two_stages/plugin.yaml", "samples: 200", "samples: 100")


@pytest.fixture(scope="module", autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the configuration nor the caches of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("dvc")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        patch.setenv("GIT_CONFIG_GLOBAL", str(folder / "gitconfig"))
        (folder / "gitconfig").write_text("[user]\n\tname = tester\n\temail = tester@example.org\n")
        yield


@pytest.fixture(scope="module")
def recorded(finished_miniature: Miniature) -> tuple[Miniature, str]:
    """A project that Snakemake ran, then recorded and pushed by DVC, and what that `dvc repro` said; only to look at."""
    shared = finished_miniature.path.parent
    said = shared / "recorded.txt"
    with (shared / "recorded.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(shared / "recorded", ignore_errors=True)
            project = finished_miniature.copy(shared / "recorded")
            start_repository(project)
            dvc(project, "remote", "add", "--default", "store", str(shared / "store"))
            output = both(dvc(project, "repro"))
            commit(project)
            dvc(project, "push")
            said.write_text(output)
    return Miniature(shared / "recorded"), said.read_text()


@pytest.fixture
def clone(recorded: tuple[Miniature, str], tmp_path: Path) -> Miniature:
    """A fresh clone; nothing is pulled yet."""
    recorded[0].run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    return Miniature(tmp_path / "clone")


def dvc(project: Miniature, *arguments: str) -> CompletedProcess[str]:
    return project.run(sys.executable, "-m", "dvc", *arguments)


def start_repository(project: Miniature) -> None:
    """What a user has who cloned Glimpse: its files under git, and DVC's settings."""
    (project.path / ".dvc").mkdir()
    for name in (".gitignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, project.path / name)
    project.run("git", "init", "--quiet")
    commit(project)


def commit(project: Miniature) -> None:
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "State")


def both(completed: CompletedProcess[str]) -> str:
    return completed.stdout + completed.stderr


def jobs(said: str) -> dict[str, int]:
    """Jobs that Snakemake ran, by rule, from what it and DVC said."""
    found = Counter(re.findall(r"^(?:local)?rule (\w+):", said, flags=re.MULTILINE))
    return {rule: count for rule, count in found.items() if rule not in stages()}


def stages() -> dict[str, dict[str, list[str | dict[str, object]]]]:
    found: dict[str, dict[str, list[str | dict[str, object]]]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())[
        "stages"
    ]
    return found


def contents(project: Miniature) -> dict[str, bytes]:
    """Every product and its bytes, without Snakemake's mark of time."""
    files = (path for name in ("data", "models", "results") for path in (project.path / name).rglob("*"))
    kept = (path for path in files if path.is_file() and path.name != ".snakemake_timestamp")
    return {path.relative_to(project.path).as_posix(): path.read_bytes() for path in kept}


def test_stages_are_those_of_the_pipeline_and_all_outs_persist():
    assert list(stages()) == ["download", "texturize", "render", "train", "synthesize", "evaluate", "report"]
    for stage in stages().values():
        assert {"Snakefile", "params.yaml", "pipeline", "plugins"} <= {str(path) for path in stage["deps"]}
        for out in [*stage["outs"], *stage.get("metrics", [])]:
            assert isinstance(out, dict)
            assert all(facts == {"persist": True} for facts in out.values())


def test_products_without_records_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_records(["models/a.json"])
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.json").touch()
    with pytest.raises(UserError, match=r"models/a.json is here, but .snakemake/metadata.* is not: run `dvc pull`"):
        require_records(["models/a.json"])
    (tmp_path / ".snakemake" / "metadata").mkdir(parents=True)
    require_records(["models/a.json"])


@pytest.mark.slow
def test_repro_after_snakemake_only_records(recorded, finished_miniature):
    project, said = recorded
    assert jobs(said) == {}
    assert said.count("Nothing to be done") == len(stages()) - 2  # two have no jobs yet, and Snakemake says otherwise
    assert contents(project) == contents(finished_miniature)
    assert set(yaml.safe_load((project.path / "dvc.lock").read_text())["stages"]) == set(stages())
    assert project.planned() == {}


@pytest.mark.slow
def test_snakemake_after_repro_does_nothing(tmp_path):
    project = miniature.create(tmp_path / "project")
    for plugin in miniature.SEGMENTERS[1:]:
        shutil.rmtree(project.path / "plugins" / plugin)
    start_repository(project)
    assert jobs(both(dvc(project, "repro"))) == {"fetch_source": 1, "render_split": 1, **ONE_CELL}
    assert project.planned() == {}
    assert "Data and pipelines are up to date" in dvc(project, "repro").stdout


@pytest.mark.slow
def test_an_unchanged_clone_reruns_nothing(recorded, clone):
    dvc(clone, "pull")
    assert clone.planned() == {}
    assert contents(clone) == contents(recorded[0])
    assert "Data and pipelines are up to date" in dvc(clone, "repro").stdout
    shown = json.loads(dvc(clone, "metrics", "show", "--json").stdout)[""]["data"]["results/summary.json"]["data"]
    assert shown == json.loads(contents(recorded[0])["results/summary.json"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "expected", "cells"),
    [
        (SHARPNESS, ONE_CELL, {"results/scores/sample/toy_untrained"}),
        (
            SAMPLES,
            {"train_system": 1, **ONE_CELL},
            {"results/scores/sample/toy_two_stages", "models/sample/toy_two_stages"},
        ),
    ],
    ids=["evaluate", "train"],
)
def test_a_changed_parameter_in_a_clone_reruns_its_cells(clone, edit, expected, cells):
    dvc(clone, "pull")
    before = contents(clone)
    clone.edit(*edit)
    assert clone.planned() == expected
    assert jobs(both(dvc(clone, "repro"))) == expected
    after = contents(clone)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    report = {"results/all.tsv", "results/summary.json", "results/report.html"}
    assert report < changed
    assert {"/".join(path.split("/")[: 4 if path.startswith("results") else 3]) for path in changed - report} == cells
    assert clone.planned() == {}


@pytest.mark.slow
def test_an_experiment_in_a_folder_of_its_own_is_no_stale_copy(clone):
    """`dvc exp run --temp` starts from an empty folder: without Snakemake's records it would store old results as new."""
    dvc(clone, "pull")
    said = dvc(clone, "exp", "run", "--temp", "--name", "soft", "--set-param", f"{SHARPNESS[0]}:evaluate.sharpness=3.0")
    assert jobs(both(said)) == ONE_CELL
    changes = json.loads(dvc(clone, "exp", "diff", "--json", "HEAD", "soft").stdout)["metrics"]["results/summary.json"]
    assert {name.split(".")[3] for name in changes} == {"toy_untrained"}
    assert clone.planned() == {}


@pytest.mark.slow
def test_a_partial_pull_is_refused_in_one_line(clone):
    dvc(clone, "pull", "models")
    refused = clone.snakemake("--dry-run", check=False)
    assert refused.returncode != 0
    assert re.search(r"^error: models/\S+ is here, but .snakemake/metadata", refused.stderr, flags=re.MULTILINE)
