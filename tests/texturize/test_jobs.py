"""Banks in the plan: which jobs they become, and what a suite may get wrong."""

import pytest

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.jobs.scoring import Jobs
from pipeline.settings import load_settings
from pipeline.suite import Bank, Dataset, Suite, find_split
from pipeline.texturize.job import BankJob

BANKS = {
    "photos": Bank(source="dtd", side={"sample": 64, "lite": 320, "paper": 320}),
    "conv1_1": Bank(
        source="dtd", side=64, synthesis={"trunk": "vgg19", "matches": {"sample": 1, "lite": 2, "paper": 3}}
    ),
}


def planned(bank: str, **config: str) -> tuple[BankJob, Jobs, str]:
    settings = load_settings(ROOT / "params.yaml", config)
    dataset = Dataset(renderer="colltex", banks=[bank], splits={"test": 10})
    suite = Suite(title="", paper="", banks=BANKS, datasets={"d": dataset}, statistics={}, metrics={}, tracks={})
    jobs = Jobs(settings, {})
    rendered = jobs.render(find_split(suite, "d", "test", settings), "test")
    (found,) = jobs.by_stage["texturize"].values()
    assert isinstance(found.values, BankJob)
    return found.values, jobs, rendered


def test_a_data_set_takes_its_bank_as_an_input() -> None:
    job, jobs, rendered = planned("photos", profile="lite")
    assert (job.side, job.synthesis, job.device) == (320, None, "cpu")
    render = jobs.by_stage["render"][rendered]
    assert render.manifests == ["data/textures/lite/photos.json"]
    assert render.products == ["data/textures/lite/photos.zarr"]
    assert list(jobs.by_stage["download"]) == ["data/raw/real/dtd.json"]


def test_a_synthesized_bank_asks_for_the_weights_that_the_settings_allow() -> None:
    job, jobs, _ = planned("conv1_1", profile="lite")
    assert job.synthesis is not None
    assert (job.synthesis.trunk, job.synthesis.matches, job.insist) == ("vgg19", 2, False)
    assert (job.weights, job.device) == ("data/raw/real/vgg19.json", "auto")
    assert list(jobs.by_stage["download"]) == ["data/raw/real/dtd.json", "data/raw/real/vgg19.json"]
    assert planned("conv1_1", profile="lite", weights="pretrained")[0].insist
    for config in ({"profile": "sample"}, {"profile": "lite", "weights": "scratch"}):
        job = planned("conv1_1", **config)[0]
        assert job.synthesis is not None
        assert (job.weights, job.synthesis.trunk) == (None, "random")


def test_the_optimizer_s_code_stands_behind_synthesized_banks_alone() -> None:
    code = {name: planned(name)[1].by_stage["texturize"][f"data/textures/sample/{name}.json"].code for name in BANKS}
    assert "pipeline/texturize/lbfgs.py" in set(code["conv1_1"]) - set(code["photos"])


def test_an_unknown_bank_is_one_line() -> None:
    with pytest.raises(UserError, match=r"the suite describes no bank 'fotos'; did you mean 'photos'\?"):
        planned("fotos")
