"""A miniature project: the real Snakefile and pipeline with toy plugins, a DAG of seconds, in a folder of its own."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.manifest import digest_file, digest_text
from pipeline.render.cluttered_omniglot import SPLITS, ClutteredOmniglot
from pipeline.render.glyphs import pack
from pipeline.render.scene import Clutter

ROOT = Path(__file__).resolve().parent.parent
TOYS = ROOT / "tests" / "toys" / "plugins"
SEGMENTERS = ("toy_untrained", "toy_trained", "toy_two_stages", "toy_adapting")
TIMED = (".snakemake_timestamp", "report.html")
SMALL = {"clutter_levels": "[4]", "episodes": "20", "pictures": "2", "bootstrap": "20"}


@dataclass(frozen=True)
class Miniature:
    """A project folder and how to run things in it."""

    path: Path

    def snakemake(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `snakemake --cores 2 ARGUMENTS` in the project, as a user would."""
        return self.run(sys.executable, "-m", "snakemake", "--cores", "2", *arguments, check=check, **environment)

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run any command in the project; its output is captured, and shown where it fails against expectation."""
        found = subprocess.run(
            command, cwd=self.path, text=True, capture_output=True, env=self.environment(**environment), check=False
        )
        if check and found.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {found.returncode}:\n{found.stdout}\n{found.stderr}")
        return found

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of commands: this one, without a mirror, with the tools of this interpreter first."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GLIMPSE_", "PYTEST_"))}
        tools = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return kept | {"PATH": tools, "PYTHONPATH": str(self.path)} | more

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would run, by rule."""
        output = self.snakemake("--dry-run", *arguments).stdout
        counts = dict(re.findall(r"^(\w+)\s+(\d+)\s*$", output.partition("Job stats:")[2], flags=re.MULTILINE))
        return {rule: int(count) for rule, count in counts.items() if rule not in ("total", "all")}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace `old`, which must be there, by `new` in one of the project's files."""
        text = (self.path / path).read_text()
        assert old in text, f"{path} holds no {old!r}"
        (self.path / path).write_text(text.replace(old, new))

    def products(self) -> dict[str, str]:
        """Digest of every file that a run makes and that must not differ between equal runs.

        Without timings, without the table's column of seconds, and without the page, which shows them.
        """
        files = [p for folder in ("data", "models", "results") for p in (self.path / folder).rglob("*") if p.is_file()]
        found = {p.relative_to(self.path).as_posix(): p for p in files if p.name not in TIMED}
        digests = {name: digest_file(p) for name, p in found.items() if not name.endswith(".timing.json")}
        table = self.path / "results" / "all.tsv"
        if table.exists():
            rows = [line.split("\t") for line in table.read_text().splitlines()]
            seconds = rows[0].index("seconds")
            digests["results/all.tsv"] = digest_text("\n".join("\t".join(r[:seconds] + r[seconds + 1 :]) for r in rows))
        return digests

    def copy(self, target: Path, *, light: bool = False) -> "Miniature":
        """A copy with the same times, so that nothing in it is newer than it was.

        In a light one the sample's drawings, thousands of files, are a link to this project's: read them only.
        """
        drawings = Path("data/raw/sample/omniglot")
        left_out = self.path / drawings.parent if light else None
        shutil.copytree(
            self.path,
            target,
            symlinks=True,
            ignore=lambda folder, names: [drawings.name] if Path(folder) == left_out else [],
        )
        if light:
            (target / drawings).symlink_to(self.path / drawings)
        take_over_compiled(self.path, target)
        return Miniature(target)


def create(path: Path) -> Miniature:
    """Set up a miniature project in the new folder `path`; nothing has run in it yet."""
    path.mkdir(parents=True)
    for name in ("Snakefile", "params.yaml", "dvc.yaml", ".dvcignore"):
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, path / name)
    for name in ("pipeline", "profiles", "envs"):
        shutil.copytree(ROOT / name, path / name)
    take_over_compiled(ROOT, path)
    for name in SEGMENTERS:
        shutil.copytree(TOYS / name, path / "plugins" / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (path / "params.yaml").read_text()
    settings = re.sub(
        r"^clutter_levels:.*(\n  \w+: \[.*)*", f"clutter_levels: {SMALL['clutter_levels']}", settings, flags=re.M
    )
    for key in ("episodes", "pictures", "bootstrap"):
        settings = re.sub(rf"^{key}: \S+", f"{key}: {SMALL[key]}", settings, flags=re.M)
    (path / "params.yaml").write_text(settings)
    return Miniature(path)


def compile_drawing(shared: Path) -> None:
    """Compile the drawing of clutter in the tests' own code, once for all projects that are copied from it later."""
    shared.mkdir(parents=True, exist_ok=True)
    done = shared / "compiled.done"
    with (shared / "compiled.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            drawings = np.zeros((2, 20, 105, 105), np.uint8)
            drawings[:, :, 30:70, 40:50] = 1
            for instances in (False, True):
                clutter = Clutter(characters=2, occluders=0, empty=0.0)
                ClutteredOmniglot(pack(drawings), split=SPLITS["train"], clutter=clutter, instances=instances).shard(
                    0, 1
                )
            done.touch()


def take_over_compiled(source: Path, copy: Path) -> None:
    """Let a copy of a project use the machine code compiled in `source`, which numba files by the path of its code."""
    for package in ("pipeline/render", "pipeline/evaluate/davis"):
        old, new = (
            f"{Path(package).name}_{hashlib.sha1(str(root / package).encode()).hexdigest()}" for root in (source, copy)
        )
        for cache in (copy / "pipeline" / "render" / "__pycache__").glob("numba-*"):
            if (cache / old).is_dir():
                (cache / old).rename(cache / new)


def finished(shared: Path, name: str = "miniature", prepare: Callable[[Miniature], None] | None = None) -> Miniature:
    """A miniature project that has run to its end, made once for all workers of a test run below `shared`.

    `prepare` changes the new project before it runs; projects of different preparations have different names.
    """
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = shared / name
        if not (shared / f"{name}.done").exists():
            shutil.rmtree(path, ignore_errors=True)
            compile_drawing(shared)
            project = create(path)
            if prepare:
                prepare(project)
            project.snakemake()
            (shared / f"{name}.done").touch()
    return Miniature(path)
