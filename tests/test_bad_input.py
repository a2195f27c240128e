"""Every bad input ends in one line that names cause, value and remedy, and in exit code 2 of the stage.

The commands are a user's own. Snakemake leaves with 1 after a line of ours (`sys.exit(message)`).
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from download.conftest import Server
from miniature import ROOT, Miniature

from pipeline.plan import Plan
from pipeline.settings import load_settings

pytestmark = pytest.mark.slow

RAW = "data/raw/real/omniglot.json"
STORE = "data/episodes/sample/clutter-n4/{}.json"
MODEL = "models/sample/toy_trained/clutter-n4/seed0.json"
SCORES = "results/scores/sample/toy_trained/clutter-n4/clutter-n4-test_one_shot/none/seed0.json"
Spoil = Callable[[Miniature], object]


@pytest.fixture
def project(finished_miniature, tmp_path):
    return finished_miniature.copy(tmp_path / "project", light=True)


def one_line(stderr: str) -> str:
    """The one line of `stderr`, without Snakemake's remark on its profile and lines of progress."""
    lines = [
        line for line in stderr.splitlines() if not re.search(r"^Using workflow specific| \d+/\d+ episodes, ", line)
    ]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")
    return lines[0]


# Mistakes that Snakemake meets before any job: settings, suites and plugins.


def written(path: str, text: str) -> Spoil:
    return lambda project: (project.path / path).write_text(text)


def replaced(path: str, old: str, new: str) -> Spoil:
    return lambda project: project.edit(path, old, new)


def nothing(project: Miniature) -> None:
    """The mistake is on the command line."""


def with_plugins(*names: str) -> Spoil:
    """Add real plugins to the project; nothing of theirs is trained."""
    return lambda p: [shutil.copytree(ROOT / "plugins" / n, p.path / "plugins" / n) for n in names]


PLUGIN = "plugins/toy_trained/plugin.yaml"
SNAKEMAKE: dict[str, tuple[Spoil, list[str], str]] = {
    "unknown setting": (nothing, ["--config", "budjet=2"], "unknown setting 'budjet'; did you mean 'budget'?"),
    "unknown profile": (nothing, ["--config", "profile=papre"], "unknown profile 'papre'; did you mean 'paper'?"),
    "unknown suite": (nothing, ["--config", "suites=cluter"], "unknown suite 'cluter'; did you mean 'clutter'?"),
    "unknown system": (nothing, ["--config", "systems=toy_traind"], "'toy_traind'; did you mean 'toy_trained'?"),
    "setting out of range": (nothing, ["--config", "budget=-1"], "'budget': input should be greater than 0 (found -1)"),
    "unknown table": (nothing, ["results/systems/toy.tsv"], "no table for the system 'toy'; "),
    "unknown product": (nothing, [MODEL.replace("n4", "n8")], "nothing makes models/sample/toy_trained/clutter-n8/"),
    "broken params.yaml": (written("params.yaml", "profile: [sample\n"), [], "params.yaml is malformed: "),
    "params.yaml is no mapping": (written("params.yaml", "sample\n"), [], "params.yaml must hold a mapping"),
    "missing params.yaml": (lambda p: (p.path / "params.yaml").unlink(), [], "params.yaml is missing"),
    "misspelt key of params.yaml": (replaced("params.yaml", "\nthreads:", "\nthread:"), [], "did you mean 'threads'?"),
    "plugin without build": (
        replaced("plugins/toy_trained/model.py", "def build", "def make"),
        [],
        "defines no build:",
    ),
    "plugin without model.py": (
        lambda p: (p.path / "plugins/toy_trained/model.py").unlink(),
        [],
        "model.py is missing",
    ),
    "broken plugin.yaml": (written(PLUGIN, "kind: [segmenter\n"), [], "plugin.yaml is malformed: "),
    "unknown key of plugin.yaml": (
        replaced(PLUGIN, "train: {width: 8", "trian: {width: 8"),
        [],
        "unknown key 'trian'; did you mean 'train'?",
    ),
    "wrong type in plugin.yaml": (
        replaced(PLUGIN, "trained: true", "trained: perhaps"),
        [],
        "'trained': input should be",
    ),
    "unknown parameter": (
        replaced(PLUGIN, "{width: 8", "{widht: 8"),
        [],
        "no parameter 'widht'; did you mean 'width'?",
    ),
    "unknown variant": (
        replaced(PLUGIN, "track: scenes", "track: scenes, variants: [wied]"),
        [],
        "did you mean 'wide'?",
    ),
    "unknown track": (
        replaced(PLUGIN, "track: scenes", "track: scene"),
        [],
        "no track 'scene'; did you mean 'scenes'?",
    ),
    "unknown split": (
        nothing,
        ["data/episodes/sample/clutter-n4/val_trian.json"],
        "'clutter-n4' has no split 'val_trian'; did you mean 'val_train'?",
    ),
    "unknown oracle data": (
        nothing,
        ["data/episodes/sample/clutter-n4/train-instance.json"],
        "has no oracle data 'instance'; did you mean 'instances'?",
    ),
    "clutter level out of range": (nothing, ["--config", "clutter_levels=0"], "'clutter_levels.0': input should be"),
    "an oracle of a data set without instance maps": (
        replaced(
            "plugins/toy_untrained/plugin.yaml",
            "enters: [{suite: clutter, track: scenes, splits: [test_one_shot]}]",
            "oracle: [instances]\nenters: [{suite: clutter, track: five_way}]",
        ),
        [],
        "asks for the oracle data 'instances', which the data set 'omniglot_5way' lacks: ",
    ),
    "needs that names no system": (
        replaced("plugins/toy_two_stages/plugin.yaml", "toy_trained", "toy_traned"),
        [],
        "'needs' names no system: 'toy_traned'; did you mean 'toy_trained'?",
    ),
    "needs in a circle": (
        replaced(PLUGIN, "variants:", "needs: {start: toy_two_stages}\nvariants:"),
        [],
        "'needs' runs in a circle: toy_trained -> toy_two_stages -> toy_trained",
    ),
    "unknown key of suite.yaml": (
        replaced("pipeline/suites/clutter/suite.yaml", "\ntracks:", "\ntrack:"),
        [],
        "pipeline/suites/clutter/suite.yaml: ",
    ),
}


@pytest.mark.parametrize("mistake", SNAKEMAKE)
def test_snakemake_leaves_with_one_line(project, mistake):
    spoil, arguments, message = SNAKEMAKE[mistake]
    spoil(project)
    done = project.snakemake("--dry-run", *arguments, check=False)
    assert done.returncode == 1
    assert message in one_line(done.stderr)
    assert "error" not in done.stdout


# Mistakes that a stage meets.


def job_of(project: Miniature, output: str, **changes: Any) -> str:
    """The job that writes `output`, as Snakemake would pass it, with some values changed."""
    profile = "lite" if "/real/" in output else "sample"
    plan = Plan(load_settings(project.path / "params.yaml", {"profile": profile}), root=project.path)
    job = next(jobs[output] for jobs in plan.jobs.values() if output in jobs)
    return json.dumps(job.values.model_dump(mode="json") | changes)


def stage(project: Miniature, output: str, *more: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Run the command that makes `output`, which is removed before."""
    (project.path / output).unlink(missing_ok=True)
    shutil.rmtree(project.path / "work" / "models", ignore_errors=True)
    name = {"raw": "download", "episodes": "render"}.get(Path(output).parts[1]) or (
        "train" if output.startswith("models") else "evaluate"
    )
    job = job_of(project, output, **changes)
    return project.run(
        sys.executable,
        "-m",
        f"pipeline.{name}",
        "--job",
        job,
        "--output",
        output,
        *more,
        check=False,
        CUDA_VISIBLE_DEVICES="",
    )


def packed(**files: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return memory.getvalue()


def mirrored(data: bytes | None, **lies: Any) -> Spoil:
    """A mirror whose one archive of Omniglot holds `data`; `lies` are what its table says wrongly."""

    def make(project: Miniature) -> None:
        folder = project.path / "mirror"
        folder.mkdir()
        truth = {"bytes": len(data or b""), "sha256": hashlib.sha256(data or b"").hexdigest()}
        entry = {"complete": True, "files": [{"file": "omniglot.zip"} | truth | lies]}
        (folder / "mirror.yaml").write_text(yaml.safe_dump({"omniglot": entry}))
        if data is not None:
            (folder / "omniglot.zip").write_bytes(data)

    return make


def shards(store: str) -> list[Path]:
    return [path for path in Path(store).rglob("*") if path.is_file() and "c" in path.parts]


def cut_short(split: str) -> Spoil:
    def spoil(project: Miniature) -> None:
        for path in shards(str(project.path / STORE.format(split).replace(".json", ".zarr"))):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return spoil


def shard_lost(split: str) -> Spoil:
    return lambda p: [path.unlink() for path in shards(str(p.path / STORE.format(split).replace(".json", ".zarr")))]


def metadata_cut(split: str) -> Spoil:
    def spoil(project: Miniature) -> None:
        path = (project.path / STORE.format(split)).with_suffix(".zarr") / "zarr.json"
        path.write_text(path.read_text()[:40])

    return spoil


def weights_cut(project: Miniature) -> None:
    path = (project.path / MODEL).with_suffix("") / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:50])


HERE = ["--mirror", "mirror"]
GOOD = packed(**{"images_background.zip": b"1"})
REMEDY = "delete it and run snakemake"
STAGES: dict[str, tuple[Spoil, str, list[str], dict[str, Any], str]] = {
    "corrupted archive": (
        mirrored(GOOD[:60]),
        RAW,
        HERE,
        {},
        r"mirror/omniglot.zip is corrupt \(.*\): mend the mirror",
    ),
    "archive with a path outside": (
        mirrored(packed(**{"../evil": b"1"})),
        RAW,
        HERE,
        {},
        "outside its folder \\('../evil'",
    ),
    "truncated archive": (
        mirrored(GOOD, bytes=10**6),
        RAW,
        HERE,
        {},
        "bytes instead of 1000000.*: copy the mirror anew",
    ),
    "wrong hash": (mirrored(GOOD, sha256="0" * 64), RAW, HERE, {}, "sha256 [0-9a-f]{64} instead of 0{64}.*: copy the"),
    "missing mirror file": (
        mirrored(None),
        RAW,
        HERE,
        {},
        "the mirror lacks mirror/omniglot.zip.*: complete the mirror",
    ),
    "missing mirror": (nothing, RAW, HERE, {}, "cannot read mirror/mirror.yaml .*: set mirror"),
    "unknown source of a mirror": (
        lambda p: (mirrored(GOOD)(p), p.edit("mirror/mirror.yaml", "omniglot:", "omniglott:")),
        RAW,
        HERE,
        {},
        "unknown source 'omniglott'; did you mean 'omniglot'?",
    ),
    "no manifest of a source": (
        lambda p: (p.path / "data/raw/sample/omniglot.json").unlink(),
        STORE.format("train"),
        [],
        {},
        "data/raw/sample/omniglot.json is missing: run snakemake",
    ),
    "drawings lost": (
        lambda p: (p.path / "data/raw/sample/omniglot").unlink(),
        STORE.format("train"),
        [],
        {},
        "data/raw/sample/omniglot",
    ),
    "more episodes than there are": (
        nothing,
        STORE.format("train"),
        [],
        {"episodes": 3 * 10**6},
        "lower the setting budget",
    ),
    "unknown renderer": (nothing, STORE.format("train"), [], {"renderer": "omniglt"}, "unknown renderer 'omniglt'; "),
    "train store cut short": (cut_short("train"), MODEL, [], {}, f"train.zarr is .*: {REMEDY}"),
    "train store without shards": (shard_lost("train"), MODEL, [], {}, f"train.zarr is cut short .*: {REMEDY}"),
    "train store without metadata": (
        metadata_cut("train"),
        MODEL,
        [],
        {},
        f"train.zarr is missing or cut .*: {REMEDY}",
    ),
    "test store cut short": (cut_short("test_one_shot"), SCORES, [], {}, f"test_one_shot.zarr is .*: {REMEDY}"),
    "test store without shards": (
        shard_lost("test_one_shot"),
        SCORES,
        [],
        {},
        f"one_shot.zarr is cut short .*: {REMEDY}",
    ),
    "test store without metadata": (
        metadata_cut("test_one_shot"),
        SCORES,
        [],
        {},
        f"zarr is missing or cut .*: {REMEDY}",
    ),
    "weights cut short": (
        weights_cut,
        SCORES,
        [],
        {},
        "weights.safetensors is damaged .*: delete .* and run snakemake",
    ),
    "proposals without a start": (
        with_plugins("masknet", "siamese_unet"),
        MODEL.replace("toy_trained", "masknet"),
        [],
        {"needs": {}},
        "masknet starts from the weights of siamese_unet, and none were given: .*; snakemake then trains that system",
    ),
    "a discriminator without proposals": (
        with_plugins("masknet", "siamese_unet"),
        MODEL.replace("toy_trained", "masknet-masked_scene"),
        [],
        {"needs": {}},
        "stands on the proposals of a trained masknet, and none were given: .*; snakemake then trains it first",
    ),
    "proposals that were not trained": (
        with_plugins("masknet", "siamese_unet"),
        MODEL.replace("toy_trained", "masknet"),
        [],
        {},
        "models/sample/siamese_unet/clutter-n4/seed0.json is missing: run snakemake, which makes it",
    ),
    "an oracle without its truth": (
        with_plugins("masknet", "siamese_unet", "best_proposal"),
        SCORES.replace("toy_trained", "best_proposal"),
        [],
        {"needs": {}, "truth": False},
        "best_proposal needs the query's own mask: ",
    ),
    "a batch beyond the data": (
        nothing,
        MODEL,
        [],
        {"parameters": {"batch": 5000, "samples": 5000}},
        "1000 episodes, fewer",
    ),
    "output outside the project": (
        nothing,
        MODEL,
        ["--output", "../seed0.json"],
        {},
        "'../seed0' must be a path inside",
    ),
    "no card": (nothing, MODEL, [], {"device": "cuda"}, "device=cuda"),
    "unknown key of a job": (nothing, MODEL, [], {"sede": 1}, "unknown key 'sede'; did you mean 'seed'?"),
}


@pytest.mark.parametrize("mistake", STAGES)
def test_a_stage_leaves_with_one_line_and_2(project, mistake):
    spoil, output, more, changes, message = STAGES[mistake]
    spoil(project)
    done = stage(project, output, *more, **changes)
    assert re.search(message, one_line(done.stderr)), done.stderr
    assert done.returncode == 2
    assert not (project.path / output).exists()


COMMANDS: dict[str, tuple[list[str], str]] = {
    **{
        f"{name} without a job": ([name], f"python -m pipeline.{name} --help")
        for name in ("download", "render", "train", "evaluate")
    },
    "a job that is no JSON": (["train", "--job", "{", "--output", "models/x.json"], "--job"),
    "a report without a job file": (
        ["report", "table", "--job-file", "work/jobs/none.json", "--output", "results/all.tsv"],
        "work/jobs/none.json is missing: run snakemake",
    ),
    "a row that is not there": (["report", "why", "toy_traind"], "toy_traind"),
    "an export of a level that is not there": (
        ["export", "clutter-n44/test_one_shot", "--output", "out"],
        "unknown data set 'clutter-n44'; did you mean 'clutter-n4'?",
    ),
    "an export of a split that is not there": (
        ["export", "clutter-n4/tset_one_shot", "--output", "out"],
        "the data set 'clutter-n4' has no split 'tset_one_shot'; did you mean 'test_one_shot'?",
    ),
}


@pytest.mark.parametrize("mistake", COMMANDS)
def test_a_command_leaves_with_one_line_and_2(finished_miniature, mistake):
    (name, *arguments), message = COMMANDS[mistake]
    done = finished_miniature.run(sys.executable, "-m", f"pipeline.{name}", *arguments, check=False)
    assert message in one_line(done.stderr)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_truncated_download_is_one_line(project):
    server = Server()
    try:
        server.files["/omniglot.zip"] = GOOD[:60]
        file = {
            "file": "o.zip",
            "urls": [f"{server.url}/omniglot.zip"],
            "bytes": len(GOOD),
            "checksum": None,
            "unpack": "zip",
        }
        done = stage(project, RAW, entry={"files": [file], "optional": False})
    finally:
        server.close()
    assert f"announces 60 bytes instead of {len(GOOD)}; try again, or set mirror" in one_line(done.stderr)
    assert done.returncode == 2


def test_broken_scores_are_one_line(project):
    path = project.path / SCORES
    path.write_text(path.read_text()[:100])
    job = next((project.path / "work" / "jobs").glob("*.json"))
    for command in ("table", "page"):
        done = project.run(
            *[sys.executable, "-m", "pipeline.report", command, "--job-file", str(job), "--output", "results/x"],
            check=False,
        )
        assert re.search(f"{SCORES} holds no scores .*: delete it and run snakemake", one_line(done.stderr))
        assert done.returncode == 2


def test_a_stages_line_is_visible_under_snakemake(project):
    mirrored(GOOD[:60])(project)
    done = project.snakemake("download", "--config", "profile=lite", "mirror=mirror", check=False)
    assert done.returncode == 1
    assert "error: the archive mirror/omniglot.zip is corrupt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def small_disk(finished_miniature, tmp_path):
    """The finished miniature on a disk of its own, and a function that leaves so many bytes free there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    project = finished_miniature.copy(disk / "project", light=True)

    def leave(count: int) -> None:
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - count))

    yield project, leave, disk / "filler"
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(
    ("output", "room"),
    [(STORE.format("train"), 1 << 18), (MODEL, 1 << 12), (SCORES, 1 << 12)],
    ids=["render", "train", "evaluate"],
)
def test_a_full_disk_is_one_line_and_nothing_is_lost(small_disk, output, room):
    project, leave, filler = small_disk
    before = (project.path / output).read_bytes()
    shutil.rmtree((project.path / output).with_suffix(".zarr"), ignore_errors=True)
    shutil.rmtree(project.path / "work" / "models")
    (project.path / output).unlink()
    leave(room)
    done = stage(project, output)
    assert "the disk is full" in one_line(done.stderr)
    assert "free some space and run the same command again" in done.stderr
    assert done.returncode == 2
    assert not (project.path / output).exists()
    filler.unlink()
    assert stage(project, output).returncode == 0
    assert (project.path / output).read_bytes() == before
