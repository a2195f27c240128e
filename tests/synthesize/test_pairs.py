"""Pairs: what can be fitted and what cannot, their store, a user's own files."""

import re
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import UserError
from pipeline.pairs import Pair, PairFacts, PairStore, PairWriter, Samples, checked, key_of
from pipeline.stage import Stage
from pipeline.synthesize.files import read_mask, read_pair
from pipeline.synthesize.fit import PairBatches, failed, fitted
from pipeline.synthesize.own import _pairs

IMAGE = np.zeros((4, 6, 3), np.uint8)


def mask_of(*ids: int) -> np.ndarray:
    mask = np.zeros((4, 6), np.uint8)
    mask.flat[: len(ids)] = ids
    return mask


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        (IMAGE, mask_of(), "the mask of x is all background: mark an object"),
        (IMAGE, mask_of(255), "the mask of x is all background"),
        (IMAGE, mask_of(1, 3), "has a gap in its ids (3 is there, but 2 is not): number the objects from 1"),
        (IMAGE[:3], mask_of(1), "differ in size (6x3 and 6x4 pixels): give a mask of the image's size"),
    ],
)
def test_what_is_no_pair_is_one_line(image, mask, message):
    with pytest.raises(UserError, match=re.escape(message)):
        checked("x", image, mask)


def test_void_becomes_background():
    pair = checked("x", IMAGE, mask_of(1, 255, 2))
    assert pair.mask.flat[:3].tolist() == [1, 0, 2]
    assert pair.objects == 2


def test_a_pair_is_named_after_image_and_objects():
    assert key_of("davis17/dog/00000", np.array([1, 2])) == "davis17/dog/00000#1-2"


def stored(name: str, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 255, (3, 4, 6, 3), dtype=np.uint8)
    masks = rng.integers(0, 2, (3, 4, 6), dtype=np.uint8)
    return Samples(PairFacts(name=name, objects=1, size=(4, 6)), images, masks, np.array([0, 2]))


def test_a_store_gives_back_what_was_written_failures_too(tmp_path):
    writer = PairWriter(tmp_path / "pairs.zarr")
    written = [stored("a", 0), failed("b", "the loss is nan"), stored("c", 1)]
    for samples in written:
        writer.add(samples)
    store = PairStore(tmp_path / "pairs.zarr")
    assert [facts.status for facts in store.facts] == ["ok", "failed", "ok"]
    for samples, read in zip(written, store, strict=True):
        assert read.facts == samples.facts
        assert np.array_equal(read.images, samples.images)
        assert np.array_equal(read.kept, samples.kept)
    assert np.array_equal(store.find("c").masks, written[2].masks)


def test_pairs_of_another_episode_are_one_line(tmp_path):
    PairWriter(tmp_path / "pairs.zarr").add(stored("a", 0))
    with pytest.raises(UserError, match="holds no pairs made of b: they are of other episodes"):
        PairStore(tmp_path / "pairs.zarr").find("b")


def test_a_damaged_store_is_one_line(tmp_path):
    PairWriter(tmp_path / "pairs.zarr").add(stored("a", 0))
    (tmp_path / "pairs.zarr" / "0" / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="missing or damaged"):
        PairStore(tmp_path / "pairs.zarr")


class Five(Stage):
    name, samples, batch = "five", 20, 5

    def setup(self, device, dtype): ...
    def step(self, batches, done): ...
    def state(self): ...
    def load(self, state): ...


def test_batches_are_views_of_the_one_pair():
    pair = checked("x", np.arange(72, dtype=np.uint8).reshape(4, 6, 3), mask_of(1))
    (batch,) = PairBatches([pair], (4, 6), torch.device("cpu"))(Five(), 3, 4)
    images = batch.queries[0].images
    assert images.shape == (5, 3, 4, 6)
    assert images.stride(0) == 0
    assert torch.equal(images[4].permute(1, 2, 0), torch.from_numpy(pair.image))


def test_several_pairs_take_turns():
    pairs = [checked("00000", np.full((4, 6, 3), n, np.uint8), mask_of(1)) for n in range(3)]
    queries = [batch.queries[0] for batch in PairBatches(pairs, (4, 6), torch.device("cpu"))(Five(), 0, 2)]
    seen = [int(value) for query in queries for value in query.images[:, 0, 0, 0]]
    assert seen == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    names = [name for query in queries for name in query.ids]
    assert len(set(names)) == 3  # what is prepared once a name is of one pair, whatever its file is called
    assert names[:3] * 3 + names[:1] == names


def test_fitting_scales_masks_to_the_nearest_pixel():
    pair = checked("x", np.full((4, 6, 3), 7, np.uint8), np.kron(np.eye(2, dtype=np.uint8), np.ones((2, 3), np.uint8)))
    image, mask = fitted(pair, (8, 12))
    assert (image == 7).all()
    assert np.array_equal(mask, np.kron(pair.mask, np.ones((2, 2), np.uint8)))


def write(path, array, mode=None, colours=None):
    picture = Image.fromarray(np.asarray(array, np.uint8), mode) if mode else Image.fromarray(np.asarray(array))
    if colours:
        picture.putpalette([0, 0, 0, 9, 200, 9, 200, 9, 9])
    picture.save(path)
    return path


def test_masks_of_many_formats_are_read(tmp_path):
    index, binary = [[0, 1], [2, 0]], [[0, 1], [1, 0]]
    assert read_mask(write(tmp_path / "p.png", np.uint8(index), colours=True)).tolist() == index
    assert read_mask(write(tmp_path / "i.png", np.uint8(index))).tolist() == index
    assert read_mask(write(tmp_path / "b.png", np.uint8(binary) * 255)).tolist() == binary
    assert (
        read_mask(write(tmp_path / "g.png", np.uint8([[[0] * 3, [200] * 3], [[200] * 3, [0] * 3]]))).tolist() == binary
    )
    assert read_mask(tmp_path / "i.png", "binary").tolist() == [[0, 0], [1, 0]]


def test_masks_that_say_nothing_are_one_line(tmp_path):
    coloured = write(tmp_path / "c.png", np.uint8([[[0, 0, 0], [200, 9, 9]]]))
    with pytest.raises(UserError, match="has colours: save it with a palette"):
        read_mask(coloured)
    with pytest.raises(UserError, match="has the id 300, but a mask holds 254 objects"):
        read_mask(write(tmp_path / "m.png", np.uint16([[0, 300]])), "index")
    with pytest.raises(UserError, match=r"none.png is missing"):
        read_pair(coloured, tmp_path / "none.png")


def test_a_pair_knows_its_objects():
    assert Pair("x", IMAGE, mask_of(1, 2)).objects == 2


def test_own_pairs_of_different_sizes_become_squares_of_their_mean_side(tmp_path):
    images, masks = [], []
    for name, (height, width) in (("a", (4, 6)), ("b", (10, 8))):
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2] = 1
        images.append(write(tmp_path / f"{name}.png", np.repeat(mask[..., None] * np.uint8(90), 3, 2)))
        masks.append(write(tmp_path / f"{name}-mask.png", mask))
    both = _pairs(Namespace(image=images, mask=masks, mask_values="auto"))
    assert [pair.image.shape for pair in both] == [(7, 7, 3)] * 2
    assert all(pair.mask[:3].all() and not pair.mask[4:].any() for pair in both)
    alike = _pairs(Namespace(image=images[:1] * 2, mask=masks[:1] * 2, mask_values="auto"))
    assert [pair.mask.shape for pair in alike] == [(4, 6)] * 2
