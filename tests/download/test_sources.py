"""The table of sources: every row is whole, and facts it shares with torchvision agree."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from pipeline.download.job import DownloadJob, code_modules, read_sources
from pipeline.errors import UserError
from pipeline.manifest import canonical

MISSION = [
    "omniglot",
    "dtd",
    "voc2012",
    "sbd",
    "davis2016",
    "davis2017",
    "coco2014",
    "vgg16",
    "vgg19",
    "alexnet",
    "resnet50",
    "inception_v3",
    "lpips",
]


def test_the_table_holds_every_source_of_the_mission() -> None:
    sources = read_sources()
    assert set(MISSION) <= set(sources)
    assert all(re.fullmatch(r"[a-z0-9_]+(-[a-z0-9_]+)*", name) for name in sources)
    assert all(source.files or source.optional for source in sources.values())


@pytest.mark.parametrize(("source", "module"), [("omniglot", "omniglot"), ("dtd", "dtd"), ("sbd", "sbd")])
def test_checksums_of_data_sets_are_those_that_torchvision_ships(source: str, module: str) -> None:
    shipped = Path(str(distribution("torchvision").locate_file(f"torchvision/datasets/{module}.py"))).read_text()
    for file in read_sources()[source].files:
        assert file.checksum is not None
        assert file.checksum.removeprefix("md5:") in shipped


def test_links_and_hashes_of_weights_are_those_that_torchvision_ships() -> None:
    folder = Path(str(distribution("torchvision").locate_file("torchvision/models")))
    shipped = "".join((folder / f"{name}.py").read_text() for name in ("vgg", "alexnet", "resnet", "inception"))
    files = [f for source in read_sources().values() for f in source.files if "download.pytorch.org" in str(f.urls)]
    assert len(files) == 7
    for file in files:
        assert f'"{file.urls[0]}"' in shipped
        assert file.checksum == "sha256-prefix:" + file.file.removesuffix(".pth")[-8:]


def test_a_typo_in_the_table_is_one_line_with_the_nearest_name(tmp_path: Path) -> None:
    table = tmp_path / "sources.yaml"
    table.write_text("omniglot: {title: t, licence: l, citation: c, optional: false, fils: []}\n")
    with pytest.raises(UserError, match=r"source 'omniglot'.*'f(ils|iles)'"):
        read_sources(table)


@pytest.mark.parametrize("name", ["../x.zip", "/x.zip", "a\\b.zip", ""])
def test_no_file_of_the_table_leaves_its_folder(tmp_path: Path, name: str) -> None:
    table = tmp_path / "sources.yaml"
    file = f"{{file: '{name}', urls: [], bytes: null, checksum: null, unpack: none}}"
    table.write_text(f"x: {{title: t, licence: l, citation: c, optional: false, files: [{file}]}}\n")
    with pytest.raises(UserError, match=r"files\.0\.file"):
        read_sources(table)


def test_a_corrected_citation_changes_no_job() -> None:
    source = read_sources()["omniglot"]
    other = source.model_copy(update={"citation": "corrected"})
    jobs = [DownloadJob(source="omniglot", origin="real", entry=row) for row in (source, other)]
    assert canonical(jobs[0].model_dump(mode="json")) == canonical(jobs[1].model_dump(mode="json"))


def test_an_edit_of_the_network_code_regenerates_no_sample() -> None:
    from pipeline.closure import code_files

    sample = code_files(*code_modules(DownloadJob(source="omniglot", origin="sample", entry=None)))
    real = code_files(*code_modules(DownloadJob(source="omniglot", origin="real", entry=read_sources()["omniglot"])))
    assert "pipeline/download/fetch.py" in real
    assert "pipeline/download/fetch.py" not in sample
    assert "pipeline/download/samples/omniglot.py" in sample
