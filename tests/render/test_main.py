"""The stage's command: what it publishes, and how mistakes end."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError, run
from pipeline.manifest import digest_tree, read_manifest
from pipeline.render.__main__ import main
from pipeline.render.cluttered_omniglot import renderer, replay
from pipeline.scores import read_timing

OUTPUT = Path("data/episodes/sample/clutter-n5/train.json")


def render(monkeypatch: pytest.MonkeyPatch, **values: Any) -> Path:
    job = {
        "dataset": "clutter-n5",
        "split": "train",
        "renderer": "cluttered_omniglot",
        "parameters": {"characters": 5},
        "sources": {"omniglot": "data/raw/sample/omniglot.json"},
        "episodes": 30,
    }
    monkeypatch.setattr(sys, "argv", ["render", "--job", json.dumps(job | values), "--output", str(OUTPUT)])
    main()
    return OUTPUT.with_suffix(".zarr")


def void(_: Path) -> None:
    """A command returns nothing."""


def test_a_split_is_published_with_its_manifest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    product = render(monkeypatch, episodes=2030)
    manifest = read_manifest(OUTPUT)
    assert manifest.kind == "store"
    assert manifest.digest == digest_tree(product)
    assert manifest.counts == {"episodes": 2030, "characters": 4, "drawings": 40}
    assert manifest.inputs == {"data/raw/sample/omniglot.json": "sha256:0"}
    assert not manifest.complete
    assert read_timing(OUTPUT) is not None
    store, wanted = (
        EpisodeStore(product),
        renderer(split="train", sources={"omniglot": project / "data/raw/sample/omniglot"}, characters=5),
    )
    assert (store.length, store.shards, store.attributes["objects"]) == (2030, 2, 1)
    for name, array in wanted.shard(1, 30).items():
        assert np.array_equal(store.read_shard(1)[name], array)


def test_an_unchanged_job_is_not_done_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    product = render(monkeypatch)
    before = product.stat().st_mtime_ns
    render(monkeypatch)
    assert product.stat().st_mtime_ns == before
    render(monkeypatch, episodes=31)
    assert EpisodeStore(product).length == 31


def test_a_stream_replays_the_bytes_of_the_store(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = EpisodeStore(render(monkeypatch, episodes=2030))
    whole = [wanted.read_shard(index) for index in range(2)]
    product = render(monkeypatch, episodes=2030, stream=True)
    assert read_manifest(OUTPUT).kind == "stream"
    stream = replay(product)
    assert (stream.length, stream.shard, stream.shards, stream.attributes["objects"]) == (2030, 2000, 2, 1)
    for index, shard in enumerate(whole):
        found = stream.read_shard(index)
        assert all(np.array_equal(found[name], array) for name, array in shard.items())


def test_oracle_data_are_a_store_of_their_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EpisodeStore(render(monkeypatch, split="train-instances", parameters={"characters": 5, "instances": True}))
    assert store.read(3, 9, ["instances"])["instances"].shape == (6, 1, 96, 96)
    assert store.read_shard(0)["target"].tolist() == [5] * 30


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"renderer": "clutered_omniglot"}, "unknown renderer 'clutered_omniglot'; did you mean 'cluttered_omniglot'?"),
        ({"split": "trian"}, "no split 'trian'; did you mean 'train'?"),
        ({"parameters": {"charaters": 5}}, "no parameter 'charaters'; did you mean 'characters'?"),
        ({"parameters": {}}, "lacks a parameter"),
        ({"parameters": {"characters": 0}}, "characters=0"),
        ({"split": "val_train", "episodes": 10_001}, "has 10000 episodes, but 10001 are asked for: lower"),
        ({"episodes": 0}, "but 0 are asked for: raise the setting budget"),
        ({"renderer": "omniglot_5way", "split": "test", "parameters": {}, "stream": True}, "cannot be streamed"),
        ({"sources": {"omniglot": "data/raw/sample/nothing.json"}}, "nothing.json is missing"),
    ],
)
def test_mistakes_end_in_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as left:
        run(lambda: void(render(monkeypatch, **values)))
    lines = capsys.readouterr().err.strip().splitlines()
    assert left.value.code == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_a_source_that_could_not_be_had_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = project / "data/raw/sample/omniglot.json"
    found = json.loads(source.read_text()) | {"available": False, "notes": {"reason": "no link answers"}}
    source.write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"needs the source 'omniglot' \(no link answers\)"):
        render(monkeypatch)
