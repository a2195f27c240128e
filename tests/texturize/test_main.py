"""The stage's command: what it publishes, that it goes on where it was killed, and how mistakes end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.closure import ROOT
from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError
from pipeline.manifest import canonical, digest_tree, read_manifest
from pipeline.texturize import synthesis
from pipeline.texturize.photos import load
from tests.texturize.conftest import OUTPUT, Texturize, grain

SYNTHESIS = {"tolerance": 1e-2, "matches": 1}


def stored(product: Path) -> dict[str, Any]:
    store = EpisodeStore(product)
    return {**store.read(0, store.length), **store.attributes}


def test_a_bank_of_photos_holds_their_centres(photos: Path, texturize: Texturize) -> None:
    product = texturize()
    found, manifest = stored(product), read_manifest(OUTPUT)
    assert found["names"] == ["a/0.png", "a/1.png", "b/2.png", "b/3.png"]
    assert (found["side"], found["textures"].shape, found["textures"].dtype) == (16, (4, 16, 16, 3), np.uint8)
    for name, texture in zip(found["names"], found["textures"], strict=True):
        assert np.array_equal(texture, load(photos / name, 16)[0])
    assert (manifest.kind, manifest.digest, manifest.complete) == ("store", digest_tree(product), True)
    assert manifest.counts == {"textures": 4, "left_out": 0}
    assert manifest.inputs == {"data/raw/sample/dtd.json": "sha256:0"}


def test_a_synthesized_bank_says_its_trunk_its_losses_and_its_iterations(texturize: Texturize) -> None:
    found = stored(texturize(synthesis=SYNTHESIS))
    assert found["trunk"] == read_manifest(OUTPUT).notes["trunk"] == "random"
    assert found["textures"].shape == (4, 16, 16, 3)
    assert (found["loss"].dtype, found["loss"].shape) == (np.float32, (4,))
    assert found["loss"].max() < 0.02
    assert (found["iterations"] > 1).all()


def test_bad_photos_are_left_out_and_named_and_odd_ones_converted(photos: Path, texturize: Texturize) -> None:
    (photos / "a/0.png").write_bytes(b"no picture")
    Image.fromarray(grain(9)).convert("L").save(photos / "b/9.png")
    for more in ({}, {"synthesis": SYNTHESIS}):
        found, manifest = stored(texturize(**more)), read_manifest(OUTPUT)
        assert found["names"] == ["a/1.png", "b/2.png", "b/3.png", "b/9.png"]
        assert len(found["textures"]) == 4
        assert manifest.notes["left_out"] == {"a/0.png": "cannot identify image file '0.png'"}
        assert manifest.notes["converted"] == {"b/9.png": "grey"}
        assert (manifest.counts, manifest.complete) == ({"textures": 4, "left_out": 1}, False)


def test_threads_do_not_change_the_bytes(texturize: Texturize) -> None:
    digests = set()
    for threads in (1, 3):
        digests.add(digest_tree(texturize(threads, synthesis=SYNTHESIS)))
        OUTPUT.unlink()
    assert len(digests) == 1


def test_a_texture_does_not_depend_on_the_others(photos: Path, texturize: Texturize) -> None:
    whole = stored(texturize(synthesis=SYNTHESIS))
    (photos / "a/1.png").unlink()
    OUTPUT.unlink()
    part = stored(texturize(synthesis=SYNTHESIS))
    assert np.array_equal(part["textures"], whole["textures"][[0, 2, 3]])


def test_an_unchanged_job_is_not_done_again(texturize: Texturize, monkeypatch: pytest.MonkeyPatch) -> None:
    texturize(synthesis=SYNTHESIS)
    monkeypatch.setattr(synthesis, "synthesize", None)
    texturize(synthesis=SYNTHESIS)


def test_a_resumed_bank_makes_only_what_is_missing(texturize: Texturize, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, made = digest_tree(texturize(synthesis=SYNTHESIS)), []
    OUTPUT.unlink()
    plain = synthesis.begin

    def failing(job: Any, wanted: Any, photo: Any) -> Any:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(photo.name)
        return plain(job, wanted, photo)

    monkeypatch.setattr(synthesis, "begin", failing)
    with pytest.raises(KeyboardInterrupt):
        texturize(synthesis=SYNTHESIS)
    ledger = Path("work/data/textures/sample/bank.zarr/ledger.jsonl")
    with ledger.open("a") as file:
        file.write('{"index": 2, "lo')  # what a killed process may leave
    made.clear()
    monkeypatch.setattr(synthesis, "begin", lambda *a: (made.append(a[2].name), plain(*a))[1])
    assert digest_tree(texturize(synthesis=SYNTHESIS)) == whole
    assert made == ["b/2.png", "b/3.png"]
    assert not ledger.exists()


@pytest.mark.slow
def test_kill_9_in_the_middle_ends_with_the_same_bytes(photos: Path) -> None:
    job = {"bank": "bank", "photos": "data/raw/sample/dtd.json", "side": 24, "synthesis": {"tolerance": 1e-5}}

    def command(folder: str) -> list[str]:
        output = f"data/textures/{folder}/bank.json"
        return [
            sys.executable,
            "-m",
            "pipeline.texturize",
            "--threads",
            "1",
            "--job",
            canonical(job),
            "--output",
            output,
        ]

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ledger = Path("work/data/textures/killed/bank.zarr/ledger.jsonl")
    process = subprocess.Popen(command("killed"), env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (ledger.exists() and ledger.stat().st_size):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= len(ledger.read_text().splitlines()) < 4
    for folder in ("killed", "whole"):
        subprocess.run(command(folder), env=environment, check=True, stderr=subprocess.DEVNULL)
    killed, whole = (Path(f"data/textures/{folder}/bank.zarr") for folder in ("killed", "whole"))
    assert digest_tree(killed) == digest_tree(whole) == read_manifest(killed.with_suffix(".json")).digest


def test_photos_that_are_all_bad_are_one_line(photos: Path, texturize: Texturize) -> None:
    for path in photos.glob("*/*"):
        path.write_bytes(b"")
    with pytest.raises(
        UserError, match=r"none of the 4 photos can be read \(a/0.png: cannot identify .*; get them again"
    ):
        texturize()


def test_a_source_that_could_not_be_had_is_named(texturize: Texturize) -> None:
    source = Path("data/raw/sample/dtd.json")
    source.write_text(json.dumps(json.loads(source.read_text()) | {"available": False, "notes": {"reason": "no link"}}))
    with pytest.raises(UserError, match=r"the bank 'bank' needs data/raw/sample/dtd.json \(no link\); give a mirror"):
        texturize()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"side": 4}, "'side'"),
        ({"synthesis": {"trunk": "vgg11"}}, "'synthesis.trunk'"),
        ({"synthesis": {"window": 8}}, "'synthesis.window'"),
        ({"synthesis": {"tolerence": 1}}, "unknown key 'synthesis.tolerence'; did you mean 'tolerance'?"),
    ],
)
def test_wrong_values_are_one_line(texturize: Texturize, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        texturize(**values)
    assert message in str(refused.value)
