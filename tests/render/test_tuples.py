"""The benchmark's items and tuples: counts, the eight fingerprints, and what follows from the sampling (spec 2.5)."""

import hashlib
import random
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.render import tuples
from pipeline.render.folds import base, novel
from pipeline.render.items import HSNET_ADDS, HSNET_LACKS, Item, benchmark_items, by_class, hsnet_items
from pipeline.render.tuples import draw_tuples, shuffle
from pipeline.render.voc_lists import official

FINGERPRINTS = {
    (0, 1): "b5433c739d1fc932affd960c36e3503d9ef5058ce86a1a56c2137dc5061af4a4",
    (1, 1): "13bc476f5188a907697ac646c2940e242694a751ac42233ac44b7956cabe17b0",
    (2, 1): "fee033b7246d5a9272f8e3e9ab4b59fd4bcf63602f327a91730f1eeb0ecdc82e",
    (3, 1): "8ba280ee031e6cd67d75e698adf49abf7140c733e5104127bea9cd73bc2d9137",
    (0, 5): "2be4d6c3de0159bd55c553a977aee622b47fcf46240a83ddae64081b9ddf8639",
    (1, 5): "d64ad84eab47e53599238191490ed72c0c5c3fbd8553e0c9f870b528798d657c",
    (2, 5): "e6e3f3098f230b9e67d82b2fa9f42118de1eb68d72f76eeab9ab078e5f1e5ac6",
    (3, 5): "4754fa165f8bcee9f5461b4b433c8343575896fdf0476084249c1a08fa8ba069",
}
ITEMS = (
    {1: 80, 2: 59, 3: 85, 4: 58, 5: 65},
    {6: 69, 7: 96, 8: 115, 9: 101, 10: 69},
    {11: 74, 12: 125, 13: 76, 14: 72, 15: 378},
    {16: 57, 17: 49, 18: 90, 19: 82, 20: 67},
)
EPISODES = (
    {1: 230, 2: 167, 3: 250, 4: 167, 5: 186},
    {6: 154, 7: 212, 8: 260, 9: 224, 10: 150},
    {11: 100, 12: 167, 13: 95, 14: 103, 15: 535},
    {16: 168, 17: 142, 18: 262, 19: 235, 20: 193},
)


def digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def fingerprint(drawn: list[tuples.Tuple]) -> str:
    return digest([f"{episode.cls} {episode.query} {' '.join(episode.supports)}" for episode in drawn])


def test_the_item_list_is_the_published_one() -> None:
    rows = [(fold, item) for fold in range(4) for item in benchmark_items(fold)]
    lines = [f"{fold}\t{item.cls}\t{item.image}" for fold, item in rows]
    assert digest(lines) == "8ad221150fc73df35a1da6a97f5524b85f76ef66b7ee39fb4c1b552b770d5769"


@pytest.mark.parametrize("fold", range(4))
def test_items_are_counted_and_ordered_as_published(fold: int) -> None:
    items = benchmark_items(fold)
    assert {cls: len(own) for cls, own in by_class(items).items()} == ITEMS[fold]
    assert len({item.image for item in items}) == (346, 432, 587, 326)[fold]
    assert list(items) == sorted(items)
    assert {item.image for item in items} <= official("v")
    assert set(novel(fold)) == set(ITEMS[fold])
    assert sorted(novel(fold) + base(fold)) == list(range(1, 21))


def test_hsnet_s_lists_differ_by_five_items() -> None:
    assert [len(hsnet_items(fold)) for fold in range(4)] == [346, 451, 725, 346]
    ours = {item for fold in range(4) for item in benchmark_items(fold)}
    theirs = {item for fold in range(4) for item in hsnet_items(fold)}
    assert (theirs - ours, ours - theirs) == (set(HSNET_ADDS), set(HSNET_LACKS))


@pytest.mark.parametrize(("fold", "supports"), FINGERPRINTS)
def test_the_tuples_have_their_fingerprints(fold: int, supports: int) -> None:
    drawn = draw_tuples(benchmark_items(fold), supports=supports)
    assert fingerprint(drawn) == FINGERPRINTS[fold, supports]
    assert Counter(episode.cls for episode in drawn) == EPISODES[fold]


def test_python_3_s_shuffle_gives_other_tuples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuples, "shuffle", lambda values, generator: generator.shuffle(values))
    assert fingerprint(draw_tuples(benchmark_items(0), supports=1)) != FINGERPRINTS[0, 1]


def test_the_shuffle_is_python_2_s() -> None:
    class Low(random.Random):
        def random(self) -> float:
            return 0.0

    values = [0, 1, 2, 3]
    shuffle(values, Low())  # each place in turn, from the last, changes with the first
    assert values == [1, 2, 3, 0]


@pytest.mark.parametrize("fold", range(4))
def test_queries_do_not_depend_on_k_and_more_supports_begin_with_fewer(fold: int) -> None:
    items = benchmark_items(fold)
    one, five, ten = (draw_tuples(items, supports=k) for k in (1, 5, 10))
    for a, b, c in zip(one, five, ten, strict=True):
        assert (a.cls, a.query) == (b.cls, b.query) == (c.cls, c.query)
        assert a.supports == b.supports[:1]
        assert b.supports == c.supports[:5]
        assert c.query not in c.supports
        assert len(set(c.supports)) == 10
    assert sorted((e.query, e.cls) for e in five[: len(items)]) == list(items)


def test_a_shorter_run_is_the_beginning_of_the_whole_one() -> None:
    items = benchmark_items(3)
    assert draw_tuples(items, supports=5, count=400) == draw_tuples(items, supports=5)[:400]


def test_more_supports_than_images_are_one_line() -> None:
    draw_tuples(benchmark_items(3), supports=48, count=2)
    with pytest.raises(UserError, match=r"class 17 \(sheep\) has 49 images.* 49 supports and a query.*at most 48"):
        draw_tuples(benchmark_items(3), supports=49)
    with pytest.raises(UserError, match="supports=0"):
        draw_tuples([Item("a", 1), Item("b", 1)], supports=0)


def test_the_official_lists_have_their_counts_and_hashes() -> None:
    train, val, noval, aug = (official(letters) for letters in ("t", "v", "n", "tna"))
    assert [len(names) for names in (train, val, noval, aug, train | noval)] == [1464, 1449, 5623, 10582, 5953]
    assert not val & aug
    assert digest(sorted(aug)) == "d1326bd532648d73bc4b1bd275434eba81930982dc7401a65a8cecb26c028e24"
    assert digest(sorted(val)) == "cdc1326d12f69ce5153aa5da04a4d8783e146868d42d19f82f44e74b97ac907d"
    assert digest(sorted(train)) == "aa623bd2c8ce4443a8aaae51c524c0eb165e8e44caf6aa9e3ad33d7b75a3ef20"
    text = "".join(f"{name}\n" for name in sorted(noval))
    assert hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() == "79bff800c5f0b1ec6b21080a3c066722"


def test_repri_s_lists_follow_from_them() -> None:
    train, val, noval = (official(letter) for letter in "tvn")
    lists = ([*sorted(noval), *sorted(train - noval)], sorted(val))
    hashes = [digest([f"JPEGImages/{n}.jpg SegmentationClassAug/{n}.png" for n in names]) for names in lists]
    assert hashes == [
        "87578cffe141c681b15bf0b07a4cc79019ed7af02335b5ca614ccd044827fc0b",
        "25cdf9026986ab18d9c235d458f2b39bc44a29b801f3371624a22011bcee980c",
    ]


@pytest.mark.mirror
def test_the_lists_are_those_that_others_publish(mirror: Path) -> None:
    with tarfile.open(mirror / "splits" / "pascal-coco-davis-splits.tar.gz") as archive:

        def lines(name: str) -> list[str]:
            file = archive.extractfile(f"splits/{name}")
            assert file is not None
            return file.read().decode().splitlines()

        for fold in range(4):
            theirs = [line.split("__") for line in lines(f"hsnet_pascal/val/fold{fold}.txt")]
            assert [(image, int(cls)) for image, cls in theirs] == [tuple(item) for item in hsnet_items(fold)]
        assert lines("voc12_irn/train_aug.txt") == sorted(official("tna"))
        assert lines("voc12_irn/val.txt") == sorted(official("v"))
