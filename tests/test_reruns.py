"""What reruns, and why: the table of the architecture as dry runs on the miniature project."""

import os

import pytest

pytestmark = pytest.mark.slow
REPORT = {"write_table": 1, "write_page": 1}


@pytest.fixture
def project(finished_miniature, tmp_path):
    return finished_miniature.copy(tmp_path / "project")


def test_nothing_changed(project):
    assert project.planned() == {}


def test_every_file_touched(project):
    for folder in ("pipeline", "plugins", "profiles", "envs"):
        for path in (project.path / folder).rglob("*"):
            os.utime(path)
    for name in ("Snakefile", "params.yaml"):
        os.utime(project.path / name)
    assert project.planned() == {}


def test_a_reformatted_snakefile(project):
    project.edit("Snakefile", "python -m pipeline.render", "python  -m  pipeline.render")
    assert project.planned() == {}
