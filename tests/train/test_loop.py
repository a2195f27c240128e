"""The loop: equal bytes however often it is killed, stages in order, every kind of training."""

import importlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toys import TOYS

from pipeline.episodes import pack_masks
from pipeline.errors import UserError
from pipeline.system import build_system
from pipeline.train import loop
from pipeline.train.batches import SplitBatches
from pipeline.train.loop import train

assert TOYS.is_dir()  # importing it makes the toy plugins importable
PixelLoss = importlib.import_module("plugins.toy_trained.model").Loss


class Scenes:
    """A small split in memory: coloured squares on black, in the layout of cluttered Omniglot."""

    length, shard = 120, 40
    attributes = {"objects": 1}

    def read_shard(self, index):
        rng = np.random.default_rng(index)
        masks = np.zeros((self.shard, 1, 24, 24), np.uint8)
        for mask in masks[:, 0]:
            top, left = rng.integers(0, 14, 2)
            mask[top : top + 10, left : left + 10] = 1
        colours = rng.integers(60, 255, (self.shard, 1, 1, 1, 3), dtype=np.uint8)
        targets = np.ones((self.shard, 1, 8, 8), np.uint8)
        return {
            "support_images": targets[..., None] * colours,
            "support_masks": pack_masks(targets),
            "query_images": masks[..., None] * colours,
            "query_masks": pack_masks(masks),
        }


def scenes(seed: int) -> SplitBatches:
    return SplitBatches({"toy/train": (Scenes(), Scenes.attributes)}, seed=seed, device=torch.device("cpu"))


class KilledError(Exception):
    """Stands in for `kill -9`: nothing is tidied up after it."""


def run(plugin, work: Path, parameters=None, needs=None, seed=0, kill_after=None, monkeypatch=None, snapshots=()):
    torch.set_num_threads(1)
    work.mkdir(exist_ok=True)
    pair = {"height": 24, "width": 24, "objects": 1} if plugin == "toy_gan" else {}
    model = build_system(plugin, {**(parameters or {}), **pair}, needs or {}, seed)
    calls = 0
    for stage in model.stages if kill_after else ():
        original = stage.step

        def step(batches, done, original=original):
            nonlocal calls
            calls += 1
            if calls > kill_after:
                raise KilledError
            return original(batches, done)

        monkeypatch.setattr(stage, "step", step)
    train(
        model,
        scenes(seed),
        work=work,
        digest=str(parameters),
        seed=seed,
        device=torch.device("cpu"),
        dtype=torch.float32,
        snapshots=snapshots,
        every=0.0,
    )
    return model


def same(a, b):
    assert a.state_dict().keys() == b.state_dict().keys()
    return all(torch.equal(a.state_dict()[name], b.state_dict()[name]) for name in a.state_dict())


@pytest.mark.parametrize("plugin", ["toy_trained", "toy_two_stages", "toy_gan"])
@pytest.mark.parametrize("kill_after", [1, 7, 11, 17])
def test_a_killed_training_ends_with_the_same_bytes(plugin, kill_after, tmp_path, monkeypatch):
    whole = run(plugin, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(plugin, tmp_path / "killed", kill_after=kill_after, monkeypatch=monkeypatch)
    resumed = run(plugin, tmp_path / "killed")
    assert same(whole, resumed)
    assert (tmp_path / "whole" / "log.jsonl").read_bytes() == (tmp_path / "killed" / "log.jsonl").read_bytes()


def kept(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (work / "snapshots").iterdir()}


@pytest.mark.parametrize("plugin", ["toy_trained", "toy_two_stages", "toy_gan"])
@pytest.mark.parametrize("kill_after", [1, 11])
def test_snapshots_change_nothing_and_are_the_same_after_a_kill(plugin, kill_after, tmp_path, monkeypatch):
    plain, percents = run(plugin, tmp_path / "plain"), (10, 50, 51, 90)
    assert same(plain, run(plugin, tmp_path / "whole", snapshots=percents))
    with pytest.raises(KilledError):
        run(plugin, tmp_path / "killed", kill_after=kill_after, monkeypatch=monkeypatch, snapshots=percents)
    run(plugin, tmp_path / "killed", snapshots=percents)
    assert kept(tmp_path / "whole").keys() == {f"{percent}.safetensors" for percent in percents}
    assert kept(tmp_path / "whole") == kept(tmp_path / "killed")
    assert not (tmp_path / "plain" / "snapshots").exists()


@pytest.mark.parametrize("plugin", ["toy_trained", "toy_two_stages"])
def test_a_snapshot_holds_the_weights_of_the_first_moment_at_or_after_its_share(plugin, tmp_path):
    torch.set_num_threads(1)
    model, moments = build_system(plugin, {}, {}, 0), []
    total = sum(stage.samples // stage.batch * stage.batch for stage in model.stages)
    for earlier, stage in zip((0, model.stages[0].samples), model.stages, strict=False):

        def step(batches, done, stage=stage, earlier=earlier, original=stage.step):
            metrics = original(batches, done)
            weights = {name: tensor.clone() for name, tensor in model.weights().items()}
            moments.append((earlier + done + len(batches) * stage.batch, weights))
            return metrics

        stage.step = step
    arguments = {"work": tmp_path, "digest": "d", "seed": 0, "device": torch.device("cpu"), "dtype": torch.float32}
    train(model, scenes(0), **arguments, snapshots=[33, 50, 75])
    for percent in (33, 50, 75):
        expected = next(weights for seen, weights in moments if 100 * seen >= percent * total)
        found = load_file(tmp_path / "snapshots" / f"{percent}.safetensors")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in found)


def test_snapshots_inside_a_chunk_survive_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LINES", 3)  # 6 updates a chunk of 20
    percents = (10, 31, 50, 90)
    run("toy_trained", tmp_path / "whole", snapshots=percents)
    with pytest.raises(KilledError):
        run("toy_trained", tmp_path / "killed", kill_after=2, monkeypatch=monkeypatch, snapshots=percents)
    run("toy_trained", tmp_path / "killed", snapshots=percents)
    assert kept(tmp_path / "whole") == kept(tmp_path / "killed")
    assert kept(tmp_path / "whole")["31.safetensors"] == kept(tmp_path / "whole")["50.safetensors"]


def test_snapshots_of_another_training_are_dropped_and_missing_ones_are_made_again(tmp_path):
    first = run("toy_trained", tmp_path, {"samples": 400}, snapshots=(50,))
    before = kept(tmp_path)
    run("toy_trained", tmp_path, {"samples": 10}, snapshots=(50,))  # not a single update
    assert load_file(tmp_path / "snapshots" / "50.safetensors").keys() == first.weights().keys()
    assert kept(tmp_path) != before
    again = run("toy_trained", tmp_path, {"samples": 400}, snapshots=(50,))
    shutil.rmtree(tmp_path / "snapshots")
    assert same(again, run("toy_trained", tmp_path, {"samples": 400}, snapshots=(50,)))
    assert kept(tmp_path) == before


def test_a_finished_training_is_not_trained_again(tmp_path, monkeypatch):
    first = run("toy_trained", tmp_path)
    monkeypatch.setattr(loop, "_run", lambda *a, **k: pytest.fail("trained again") if a[4].done < 400 else 400)
    assert same(first, run("toy_trained", tmp_path))


def test_other_settings_do_not_take_up_the_checkpoint(tmp_path):
    run("toy_trained", tmp_path)
    assert not same(
        run("toy_trained", tmp_path, {"samples": 200}), run("toy_trained", tmp_path / "other", {"samples": 400})
    )


def test_the_loss_falls(tmp_path):
    run("toy_trained", tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]


def test_frozen_parts_keep_their_weights_in_the_second_stage(tmp_path):
    model = build_system("toy_two_stages", {}, {}, 0)
    model.stages = model.stages[:1]
    arguments = {"work": tmp_path, "digest": "d", "seed": 0, "device": torch.device("cpu"), "dtype": torch.float32}
    train(model, scenes(0), **arguments)
    both = run("toy_two_stages", tmp_path / "both")
    assert torch.equal(model.features.weight, both.features.weight)
    assert not torch.equal(model.head.weight, both.head.weight)


def test_the_second_stage_of_the_gan_adds_a_layer(tmp_path):
    model = run("toy_gan", tmp_path)
    assert len(model.generator) == 2
    fresh = build_system("toy_gan", {"height": 24, "width": 24, "objects": 1}, {}, 1)
    fresh.load_weights(model.weights())
    pairs = [list(m.sample(2, torch.Generator().manual_seed(0))) for m in (model, fresh)]
    for (image, mask), (image2, mask2) in zip(*pairs, strict=True):
        assert torch.equal(image, image2)
        assert torch.equal(mask, mask2)


def test_a_loss_that_is_not_finite_is_one_line(tmp_path, monkeypatch):
    measure = PixelLoss.forward
    monkeypatch.setattr(PixelLoss, "forward", lambda self, batch: {"loss": measure(self, batch)["loss"] * float("nan")})
    with pytest.raises(UserError, match=r"stage learn: loss is nan after \d+ episodes: lower the learning rate"):
        run("toy_trained", tmp_path)


def test_seeds_differ(tmp_path):
    assert not same(run("toy_trained", tmp_path / "0"), run("toy_trained", tmp_path / "1", seed=1))


def test_what_a_plugin_draws_from_pythons_own_generator_is_the_seeds(tmp_path, monkeypatch):
    measure = PixelLoss.forward
    monkeypatch.setattr(
        PixelLoss, "forward", lambda self, batch: {"loss": measure(self, batch)["loss"] * (1 + random.random())}
    )
    first = run("toy_trained", tmp_path / "0")
    random.random()
    assert same(first, run("toy_trained", tmp_path / "1"))
