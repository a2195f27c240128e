"""The import closure: what counts as a job's code, and what does not."""

import os

import pytest

from pipeline.closure import code_digest, code_files


@pytest.fixture
def project(tmp_path):
    """Write the given files and return the project's folder."""

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_imports_of_imports_count(project):
    root = project(a="import b\n", b="from c import x\n", c="x = 1\n", d="")
    assert code_files("a", root=root) == ["a.py", "b.py", "c.py"]


def test_imports_inside_functions_count(project):
    root = project(a="def f():\n    import b\n", b="")
    assert code_files("a", root=root) == ["a.py", "b.py"]


def test_what_is_only_loaded_by_name_does_not(project):
    root = project(a="import importlib\nimportlib.import_module('b')\n", b="")
    assert code_files("a", root=root) == ["a.py"]


def test_tables_beside_a_module_that_names_them_count(project):
    root = project(p__a="TABLE = 'items.tsv'\nOTHER = 'missing.tsv'\n", p__b="")
    for name in ("p/items.tsv", "p/unnamed.tsv", "items.tsv"):
        (root / name).write_text("1\n")
    assert code_files("p.a", root=root) == ["p/a.py", "p/items.tsv"]


def test_circles_end(project):
    root = project(a="import b\n", b="import a\n")
    assert code_files("a", root=root) == code_files("b", root=root) == ["a.py", "b.py"]


def test_installed_packages_do_not_count(project):
    root = project(a="import json, numpy\nfrom torch import nn\n")
    assert code_files("a", root=root) == ["a.py"]


def test_a_module_brings_the_packages_above_it(project):
    root = project(a="import p.q.r\n")
    for folder in ("p", "p/q"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").write_text("")
    (root / "p/q/r.py").write_text("from . import s\nfrom ..t import x\n")
    for name in ("p/q/s.py", "p/t.py", "p/q/unused.py"):
        (root / name).write_text("x = 1\n")
    assert code_files("a", root=root) == ["a.py", "p/__init__.py", "p/q/__init__.py", "p/q/r.py", "p/q/s.py", "p/t.py"]


def test_a_new_import_is_seen(project):
    root = project(a="x = 1\n", b="")
    assert code_files("a", root=root) == ["a.py"]
    (root / "a.py").write_text("import b\n")
    assert code_files("a", root=root) == ["a.py", "b.py"]


def test_the_digest_follows_bytes_and_names_not_times(project):
    root = project(a="x = 1\n", b="x = 1\n")
    before = code_digest(["a.py"], root)
    os.utime(root / "a.py", (1, 1))
    assert code_digest(["a.py"], root) == before
    assert code_digest(["b.py"], root) != before
    (root / "a.py").write_text("x = 2\n")
    assert code_digest(["a.py"], root) != before


@pytest.mark.parametrize("stage", ["download", "render", "train", "evaluate", "report"])
def test_no_stage_depends_on_the_plan_or_its_settings(stage):
    files = code_files(f"pipeline.{stage}.__main__")
    assert not {"pipeline/plan.py", "pipeline/settings.py", "pipeline/snakefile.py"} & set(files)


def test_training_never_imports_evaluation_nor_the_report():
    files = code_files("pipeline.train.__main__")
    assert not [name for name in files if name.startswith(("pipeline/evaluate", "pipeline/report"))]


def test_a_model_brings_the_layers_it_imports():
    files = code_files("plugins.siamese_unet.model")
    assert {"plugins/siamese_unet/model.py", "pipeline/layers/clutter.py", "pipeline/train/supervised.py"} <= set(files)
    assert "pipeline/train/loop.py" not in files
