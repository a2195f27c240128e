"""PASCAL-5i's episodes: the benchmark through the renderer, the other protocols, and what training may show."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.download.samples import sbd, voc2012
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render.folds import base, novel
from pipeline.render.items import Item, hsnet_items
from pipeline.render.pascal5i import LISTS, renderer
from pipeline.render.protocols import five_way, pfenet_repri
from pipeline.render.renderer import make_renderer
from pipeline.render.samplers import SAMPLERS
from pipeline.render.voc import gallery
from pipeline.render.voc_view import read_view
from pipeline.table import Table, TableReader, objects_of
from tests.render.test_tuples import FINGERPRINTS
from tests.render.vocs import write_nameless

TESTS = (
    "oslsm",
    "k_sweep",
    "oslsm_original",
    "base_val",
    "sgone_swapped",
    "hsnet",
    "hsnet_one",
    "pfenet_repri",
    "cofcn_all",
    "five_way",
)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of all official names."""
    return write_nameless(tmp_path_factory.mktemp("complete"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of a small built-in sample, SBD included."""
    folder = tmp_path_factory.mktemp("sample")
    voc2012.generate(folder / "voc2012", {"train": 3, "val": 9}, 0)
    sbd.generate(folder / "sbd", {"more": 2}, 0)
    found = gallery(sources={name: folder / name for name in ("voc2012", "sbd")}, grid=8)
    write_gallery(folder / "voc.zarr", found)
    return folder / "voc.zarr"


def table(store: Path, split: str, fold: int = 0, **parameters) -> Table:
    return make_renderer("pascal5i", split=split, sources={"voc": store}, parameters={"fold": fold, **parameters})


def named(store: Path, found: Table, count: int = 10_000) -> list[tuple[int, str, list[str]]]:
    names = GalleryStore(store).names
    rows = found.rows(0, min(count, found.length))
    together = zip(rows["classes"], rows["queries"], rows["supports"], strict=True)
    return [(int(c[0]), names[q[0]], [names[i] for i in s]) for c, q, s in together]


@pytest.mark.parametrize(("fold", "supports"), FINGERPRINTS)
def test_the_complete_voc_gives_the_published_tuples(complete: Path, fold: int, supports: int) -> None:
    drawn = named(complete, table(complete, "k_sweep", fold))
    lines = [f"{cls} {query} {' '.join(images[:supports])}\n" for cls, query, images in drawn]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == FINGERPRINTS[fold, supports]


def test_the_frames_and_void_rules_are_the_protocols(complete: Path, sample: Path) -> None:
    found = {split: table(complete, split) for split in TESTS if split != "five_way"}
    found["five_way"] = table(sample, "five_way")
    assert {split: (t.fit, t.support_fit, t.void, t.supports, t.ways) for split, t in found.items()} == {
        "oslsm": (500, None, "background", 5, 1),
        "k_sweep": (500, None, "background", 10, 1),
        "oslsm_original": (None, None, "background", 5, 1),
        "base_val": (500, None, "background", 5, 1),
        "sgone_swapped": (None, None, "background", 1, 1),
        "hsnet": (400, None, "keep", 5, 1),
        "hsnet_one": (400, None, "keep", 1, 1),
        "pfenet_repri": ("square", None, "keep", 5, 1),
        "cofcn_all": (None, None, "keep", 5, 1),
        "five_way": (None, None, "keep", 5, 5),
    }
    assert [split for split, t in found.items() if t.support_void == "way"] == ["five_way"]
    assert table(sample, "oslsm", warp=64, supports=5).fit == table(sample, "hsnet", hsnet_warp=64).fit == 64


def test_original_and_swapped_are_the_benchmark_s_tuples(complete: Path) -> None:
    ours = named(complete, table(complete, "oslsm", 3))
    assert named(complete, table(complete, "oslsm_original", 3)) == ours
    swapped = named(complete, table(complete, "sgone_swapped", 3))
    assert swapped == [(cls, supports[0], [query]) for cls, query, supports in ours]


@pytest.mark.parametrize(("split", "shots"), [("hsnet_one", 1), ("hsnet", 5)])
@pytest.mark.parametrize("fold", range(4))
def test_hsnet_goes_round_its_list_and_draws_from_numpy_s_legacy_generator(
    complete: Path, fold: int, split: str, shots: int
) -> None:
    drawn, items = named(complete, table(complete, split, fold)), hsnet_items(fold)
    assert [(query, cls) for cls, query, _ in drawn] == [tuple(items[i % len(items)]) for i in range(1000)]
    np.random.seed(0)  # as its code does, which draws from the global generator
    for cls, query, supports in drawn[:100]:
        images, plain = [item.image for item in items if item.cls == cls], []
        while len(plain) < shots:
            plain += [name for name in np.random.choice(images, 1, replace=False) if name != query]
        assert supports == plain


def test_hsnet_may_repeat_a_support_but_never_the_query(complete: Path) -> None:
    drawn = [(query, supports) for _, query, supports in named(complete, table(complete, "hsnet"))]
    assert all(query not in supports for query, supports in drawn)
    assert any(len(set(supports)) < 5 for _, supports in drawn)


def test_pfenet_goes_through_the_images_and_repeats_no_support(complete: Path) -> None:
    drawn = named(complete, table(complete, "pfenet_repri", 2))
    view = read_view(complete)
    shown = view.items((view.pixels > 0) & view.on("val")[:, None], novel(2))
    images = sorted({item.image for item in shown})
    assert [query for _, query, _ in drawn] == [images[i % len(images)] for i in range(5000)]
    assert all(len({query, *supports}) == 6 for _, query, supports in drawn)
    several = next(i for i, image in enumerate(images) if sum(item.image == image for item in shown) > 1)
    assert len({cls for cls, _, _ in drawn[several :: len(images)]}) > 1  # the class is drawn anew in each pass


def test_pfenet_s_supports_are_large_and_its_query_may_be_small(sample: Path) -> None:
    view = read_view(sample)
    on = view.on("val")[:, None]
    large, shown = (view.items((view.pixels >= least) & on, novel(0)) for least in (300, 1))
    drawn = pfenet_repri(large, shown, fold=0, supports=2)
    pairs = {(image, cls) for cls, _, supports in drawn for image in supports}
    assert pairs <= {tuple(item) for item in large}
    assert {(query, cls) for cls, query, _ in drawn} - {tuple(item) for item in large}


def test_cofcn_takes_every_class_in_every_image_once(sample: Path) -> None:
    view = read_view(sample)
    drawn = [row for fold in range(4) for row in named(sample, table(sample, "cofcn_all", fold))]
    shown = view.items((view.pixels > 0) & view.on("val")[:, None], range(1, 21))
    assert sorted((query, cls) for cls, query, _ in drawn) == [tuple(item) for item in shown]
    assert any(query in supports for _, query, supports in drawn)
    assert all((image, cls) in set(shown) for cls, _, supports in drawn for image in supports)


@pytest.mark.parametrize("fold", range(4))
def test_five_ways_show_each_novel_class_alone(sample: Path, fold: int) -> None:
    view, found = read_view(sample), table(sample, "five_way", fold)
    rows = found.rows(0, found.length)
    assert (rows["classes"] == novel(fold)).all()
    shows = view.pixels > 0
    for supports, (query,) in zip(rows["supports"], rows["queries"], strict=True):
        assert query not in supports
        assert set(np.flatnonzero(shows[query, 1:]) + 1) <= set(novel(fold))
        for way, support in enumerate(supports):
            assert np.flatnonzero(shows[support, 1:]).tolist() == [novel(fold)[way] - 1]
    assert view.on("val")[rows["queries"]].all()


def test_five_ways_may_be_drawn_from_the_training_images_as_the_code_does(sample: Path) -> None:
    rows = table(sample, "five_way", ways_from="trainaug", short="fewer").rows(0, 200)
    assert not read_view(sample).on("val")[np.concatenate([rows["queries"], rows["supports"]], axis=1)].any()


def test_where_no_image_shows_a_class_alone_ways_may_show_base_classes_too() -> None:
    shown = [Item(f"{cls}{k}", cls) for cls in (1, 2) for k in "ab"] + [Item("2a", 7), Item("2b", 9), Item("1b", 2)]
    shown += [Item("1c", 1), Item("2b", 1), Item("2c", 2), Item("2c", 8)]
    with pytest.raises(UserError, match=r"class 2 \(bicycle\) has 0 images that show it alone"):
        five_way(shown, (1, 2), fold=0)
    drawn = five_way(shown, (1, 2), fold=0, mixed=True)
    assert {way for episode in drawn for way in episode.supports[1:]} == {"2a", "2c"}
    less = five_way([item for item in shown if item.image != "2a"], (1, 2), fold=0, mixed=True)
    assert {way for episode in less for way in episode.supports[1:]} == {"1b", "2b", "2c"}


def test_the_validation_tuples_are_of_base_classes_alone(complete: Path, sample: Path) -> None:
    for store in (complete, sample):
        for fold in range(4):
            found = table(store, "base_val", fold, supports=1)
            assert set(np.unique(found.rows(0, 1000)["classes"])) <= set(base(fold))
    assert table(complete, "base_val", 0).facts["items"] == 1000  # of 1,520: no pass is finished


def test_a_class_with_few_images_may_give_fewer_supports(sample: Path) -> None:
    found = table(sample, "k_sweep", short="fewer")
    rows, whole = found.rows(0, 1000), table(sample, "oslsm", supports=3).rows(0, 1000)
    assert (rows["supports"][:, :3] == whole["supports"]).all()
    assert 0 < found.facts["short"] == (rows["supports"][:, -1] < 0).sum()


def test_a_sample_s_items_pass_the_small_object_filter(sample: Path) -> None:
    view = read_view(sample)
    for cls, query, _ in named(sample, table(sample, "oslsm", 1, supports=3)):
        assert view.cells[view.names.index(query), cls] >= 3
    assert not view.published


def rows_of(store: Path, sampler: str, fold: int, listed: str, count: int = 1500) -> dict[str, np.ndarray]:
    return table(store, "train", fold, sampler=sampler, list=listed).rows(0, count)


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize("fold", range(4))
def test_no_training_mask_shows_a_novel_class_and_no_image_is_of_val(sample: Path, fold: int, listed: str) -> None:
    view, store = read_view(sample), GalleryStore(sample, limit=1 << 26)
    for sampler in SAMPLERS:
        rows = rows_of(sample, sampler, fold, listed)
        for image, classes in {(int(q), tuple(c)) for q, c in zip(rows["queries"][:, 0], rows["classes"], strict=True)}:
            mask = store.picture(image)[1]
            seen = objects_of(np.array(classes), "keep")[mask]
            assert (seen[np.isin(mask, novel(fold))] == 0).all()
            assert (seen[mask == 255] == 255).all()
            assert all((seen[mask == cls] == k).all() for k, cls in enumerate(classes, start=1))
        used = np.unique(np.concatenate([rows["queries"], rows["supports"]]))
        assert not view.on("val")[used[used >= 0]].any()


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "semantic"])
def test_a_training_pair_is_two_images_of_the_class(sample: Path, sampler: str) -> None:
    view, rows = read_view(sample), rows_of(sample, sampler, 2, "trainaug_10582")
    supports, queries, classes = (rows[name][:, 0] for name in ("supports", "queries", "classes"))
    assert (supports != queries).all()
    assert (view.pixels[supports, classes] > 0).all()
    assert (view.pixels[queries, classes] > 0).all()
    assert set(classes.tolist()) <= set(base(2))


def test_sampler_items_goes_through_whole_passes(sample: Path) -> None:
    found = table(sample, "train", 1, list="voc_sbd_5953")
    items = found.facts["items"]
    for start in (0, 3 * items):
        rows = found.rows(start, start + items)
        assert len(set(zip(rows["queries"][:, 0].tolist(), rows["classes"][:, 0].tolist(), strict=True))) == items


def test_sampler_single_class_sees_one_class_and_base_only_no_novel_one(sample: Path) -> None:
    shows = read_view(sample).pixels[:, 1:] > 0
    alone = rows_of(sample, "single_class", 0, "trainaug_10582")
    assert (shows[alone["queries"][:, 0]].sum(axis=1) == 1).all()
    several = shows[rows_of(sample, "base_only", 0, "trainaug_10582")["queries"][:, 0]]
    assert not several[:, :5].any()
    assert (several.sum(axis=1) > 1).any()


def test_samplers_draw_classes_or_images_evenly(sample: Path) -> None:
    drawn = rows_of(sample, "single_class", 0, "trainaug_10582", 6000)["classes"][:, 0]
    assert min(Counter(drawn.tolist()).values()) > 300  # 400 each
    queries = Counter(rows_of(sample, "paper", 0, "trainaug_10582", 6000)["queries"][:, 0].tolist())
    expected = 6000 / len(queries)
    assert max(queries.values()) < 2 * expected


def test_semantic_samples_have_fifteen_objects_and_no_support(sample: Path) -> None:
    found = table(sample, "train", 3, sampler="semantic", frame=64)
    rows = found.rows(0, 4)
    assert (rows["supports"] == -1).all()
    assert (rows["classes"] == base(3)).all()
    batch = TableReader(found.layout.attributes).batch(rows)
    assert (batch.supports.frames, batch.supports.objects) == ((), 15)
    assert batch.queries[0].images.shape == (4, 3, 64, 64)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sample_depends_on_its_number_alone(sample: Path, sampler: str) -> None:
    found = table(sample, "train", 0, sampler=sampler)
    whole, later = found.rows(0, 2300), found.rows(1990, 2300)
    assert all((whole[name][1990:] == later[name]).all() for name in whole)
    other = table(sample, "train", 0, sampler=sampler, seed=1).rows(0, 2300)
    assert (whole["queries"] != other["queries"]).any()


def test_the_complete_training_lists_have_their_lengths(complete: Path) -> None:
    for listed, images in (("voc_sbd_5953", 5953), ("trainaug_10582", 10582)):
        facts = [table(complete, "train", fold, sampler="single_class", list=listed).facts for fold in range(4)]
        assert sum(fact["images"] for fact in facts) == 3 * images  # each image's one class is novel in one fold


@pytest.mark.parametrize(
    ("split", "parameters", "message"),
    [
        ("oslm", {}, "no split 'oslm'; did you mean 'oslsm'"),
        ("oslsm", {"fold": 4}, "fold=4: PASCAL-5i has the folds 0 to 3"),
        ("train", {"fold": 4}, "fold=4"),
        ("train", {"sampler": "item"}, "did you mean 'items'"),
        ("train", {"list": "trainaug"}, "did you mean 'trainaug_10582'"),
        ("oslsm", {"supports": 90}, "supports=90: class .* images, but 90 supports and a query"),
        ("k_sweep", {}, "class .* images, but 10 supports and a query are needed: ask for at most"),
        ("oslsm", {"short": "few"}, "did you mean 'fewer'"),
        ("five_way", {"ways_from": "train"}, "did you mean 'trainaug'"),
        ("hsnet", {"supports": 0}, "supports=0"),
        ("cofcn_all", {"supports": 99}, "99 supports are needed"),
        ("oslsm", {"least_cells": 1000}, "no image of val shows a class of the fold"),
        ("train", {"least_cells": 1000}, "no base class has two images"),
    ],
)
def test_wrong_parameters_are_one_line(sample: Path, split: str, parameters: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        table(sample, split, **{"fold": 0, **parameters})
    assert "\n" not in str(caught.value)


def test_without_its_gallery_it_is_one_line() -> None:
    with pytest.raises(UserError, match="needs the gallery 'voc'"):
        renderer(split="oslsm", sources={}, fold=0)
