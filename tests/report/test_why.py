"""The chain behind a row: from scores over the model and stores to the raw source, and mistakes in one line."""

import re
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.report.__main__ import write_table
from pipeline.report.why import chain
from tests.report.miniature import write_project, write_scores

TABLE = Path("results/all.tsv")


@pytest.fixture(autouse=True)
def written(folder: Path) -> None:
    write_table(write_project(seeds=2), TABLE, None)


def test_the_chain_leads_to_the_raw_source() -> None:
    lines = list(chain(TABLE, ["unet", "clutter-n4", "iou"]))
    assert re.match(r"unet on clutter-n4/test_one_shot, iou: 0\.\d+ \[.*\]; published 0\.971 \(Table 1\); ok", lines[0])
    kinds = [line for line in lines if not line.lstrip().startswith(("|", "data/"))]
    assert [line.split()[0] for line in kinds[1:6]] == ["scores", "store", "source", "model", "store"]
    text = "\n".join(lines)
    for fact in ("code = sha256:evaluate", "recipe.parameters.width = 24", "complete = true", "images.zip"):
        assert fact in text


def test_a_changed_input_is_told() -> None:
    store = Path("data/episodes/lite/clutter-n4/train.json")
    store.write_text(store.read_text().replace(f"sha256:{store}", "sha256:new"))
    text = " ".join(" ".join(chain(TABLE, ["unet", "clutter-n4", "iou"])).replace("|", " ").split())
    assert f"digest = sha256:new, but sha256:{store} when the product above was made" in text


def test_a_missing_manifest_is_told() -> None:
    Path("data/raw/real/omniglot.json").unlink()
    assert any("its manifest is not here" in line for line in chain(TABLE, ["unet", "clutter-n4", "iou"]))


@pytest.mark.parametrize("text", [None, "", "a\tb\n1\t2\n"])
def test_what_is_no_table_is_told(tmp_path: Path, text: str | None) -> None:
    table = tmp_path / "all.tsv"
    if text is not None:
        table.write_text(text)
    with pytest.raises(UserError, match=r"is missing: run snakemake|is no table of results"):
        list(chain(table, ["unet"]))


def test_a_row_that_was_not_run_has_no_chain() -> None:
    lines = list(chain(TABLE, ["best_proposal"]))
    assert len(lines) == 1
    assert "published, not run" in lines[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["unett"], "no row has 'unett'; did you mean 'unet'"),
        (["unet"], r"2 rows match 'unet'; add a word; they differ in dataset \(clutter-n32, clutter-n4\)"),
        (["unet", "localization_accuracy"], "no row has all of"),
        (["system=unet", "dataset=clutter-n5"], "no row has 'dataset=clutter-n5'"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(chain(TABLE, words))


def test_absent_scores_are_named() -> None:
    for path in Path("results/scores").rglob("seed*.json"):
        path.unlink()
    with pytest.raises(UserError, match="holds no scores behind this row"):
        list(chain(TABLE, ["unet", "clutter-n4", "iou"]))


def test_weights_on_the_way_and_chosen_ones_lead_to_their_own_scores() -> None:
    job = write_project(seeds=2)
    last = [path for (path,) in job.cells[0].scores]
    way = [path.replace("unet/clutter-n4/", "unet/clutter-n4-at40/") for path in last]
    for seed, path in enumerate(way):
        write_scores(path, job.cells[0].models[seed], seed)
    changes = {"40%": way, "val_train: 40%": way, "val_train: 100%, 40%": [last[0], way[1]]}
    cells = [job.cells[0]]
    for k, (snapshot, paths) in enumerate(changes.items()):
        update = {"snapshot": snapshot, "scores": [[path] for path in paths], "augmentation": "none", "shots": 1}
        cells.append(job.cells[0].model_copy(update=update | {"track": f"t{k}"}))
    write_table(job.model_copy(update={"cells": cells}), TABLE, None)
    for words, paths in [("snapshot=40%", way), ("val_train: 100%, 40%", changes["val_train: 100%, 40%"])]:
        assert [line for line in chain(TABLE, ["unet", words]) if line.startswith("scores")] == [
            f"scores {path}" for path in paths
        ]
    for words in (["unet", "clutter-n4"], ["unet", "clutter-n4", "snapshot=none"]):  # of snapshots, the last weights
        assert [line for line in chain(TABLE, words) if line.startswith("scores")] == [
            f"scores {path}" for path in last
        ]
