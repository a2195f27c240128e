"""COCO-20i: who may support, who is queried, and what training does not see."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.collate import Collation
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render.coco import gallery
from pipeline.render.coco20i import renderer
from pipeline.segmenter import Batch
from pipeline.table import Table
from tests.render.cocos import annotation, make_coco, square

CHOICES = {"least_pixels": 100, "tasks": 40, "side": 41, "choice": 3, "short": "fewer"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Val: images 1-8 show class 1, 5-12 class 5 too, 13 class 9 alone; 14 class 1 too small. Train: 1, and 1 and 2."""
    folder = tmp_path_factory.mktemp("coco")
    val = [annotation(n, 1, square(0, 0, 12)) for n in range(1, 9)]
    val += [annotation(n, 5, square(20, 0, 12)) for n in range(5, 13)]
    val += [annotation(13, 9, square(0, 0, 12)), annotation(14, 1, square(0, 0, 9))]
    train = [annotation(1, 1, square(0, 0, 12)), annotation(2, 1, square(0, 0, 12))]
    train += [annotation(2, 2, square(20, 20, 12)), annotation(3, 3, square(0, 0, 4))]
    source = make_coco(folder / "raw", {"train": train, "val": val})
    write_gallery(folder / "coco" / "images.zarr", gallery(sources={"coco2014": source}))
    return {"coco": folder / "coco" / "images.zarr"}


def table(sources: dict[str, Path], split: str, fold: int = 0, **choices: object) -> Table:
    return renderer(split=split, sources=sources, fold=fold, **{**CHOICES, **choices})  # type: ignore[arg-type]


def batch(made: Table, first: int, count: int = 1) -> Batch:
    collation = Collation(made.layout.attributes, "cpu")
    return collation.finish(collation.prepare(made.rows(first, first + count)))


def test_supports_are_the_chosen_ones_and_never_the_query(sources: dict[str, Path]) -> None:
    pairs, made = table(sources, "pairs").rows(0, 100), table(sources, "restricted")
    chosen = set(zip(pairs["supports"][:, 0].tolist(), pairs["classes"][:, 0].tolist(), strict=True))
    assert len(chosen) == 6
    assert {cls for _, cls in chosen} == {1, 5}
    rows = made.rows(0, 200)
    assert set(zip(rows["supports"][:, 0].tolist(), rows["classes"][:, 0].tolist(), strict=True)) == chosen
    assert (rows["supports"] != rows["queries"]).all()
    pixels = GalleryStore(sources["coco"]).columns["pixels"]
    assert (pixels[rows["queries"][:, 0], rows["classes"][:, 0]] >= 100).all()
    assert len(np.unique(rows["queries"])) == 12  # of val all that show a class of the fold well enough


def test_a_run_goes_through_all_queries_before_any_comes_again(sources: dict[str, Path]) -> None:
    made = table(sources, "restricted")
    queries = made.rows(0, 12)["queries"][:, 0]
    assert len(set(queries.tolist())) == 12
    assert not (made.rows(40, 52)["queries"][:, 0] == queries).all()


def test_any_part_of_a_split_is_the_same_as_of_the_whole(sources: dict[str, Path]) -> None:
    made = table(sources, "restricted", supports=2)
    whole, part = made.rows(0, 200), made.rows(35, 90)
    for name, array in whole.items():
        assert (array[35:90] == part[name]).all()
    assert part["supports"].shape == (55, 2)


def test_the_choice_in_a_part_of_coco_is_that_of_the_whole_among_what_is_there(sources: dict[str, Path]) -> None:
    few = table(sources, "pairs", choice=2).rows(0, 100)["supports"][:, 0].tolist()
    more = table(sources, "pairs", choice=3).rows(0, 100)["supports"][:, 0].tolist()
    assert few == [*more[:2], *more[3:5]]


def test_a_pair_is_the_class_against_the_rest_at_the_image_s_own_size(sources: dict[str, Path]) -> None:
    made = table(sources, "pairs")
    found = batch(made, 3)
    assert found.queries == ()
    (support,) = found.supports.frames
    assert support.images.shape == (1, 3, 40, 48)
    assert support.masks is not None
    assert support.masks[0].nonzero().min(0).values.tolist() == [0, 20]  # class 5, and not class 1 beside it
    assert found.supports.objects == int(support.masks.max()) == 1


def test_tasks_are_seen_in_repri_s_frame_and_go_side_by_side(sources: dict[str, Path]) -> None:
    found = batch(table(sources, "restricted"), 0, 4)
    for frame in (*found.supports.frames, *found.queries):
        assert frame.masks is not None
        assert frame.images.shape == (4, 3, 41, 41)
        assert frame.masks[:, :32, :40].max() == 1  # 48x40 pixels scaled to 41x34, floored to 40x32
        assert frame.masks[:, 32:].eq(255).all()
        assert frame.masks[:, :, 40:].eq(255).all()


def test_training_shows_base_classes_and_novel_ones_are_void(sources: dict[str, Path]) -> None:
    made = table(sources, "train")
    assert made.facts == {"images": 1}  # one shows a base class, one a novel class alone, one too little
    found = batch(made, 0)
    assert found.supports.frames == ()
    assert found.supports.objects == 60
    (query,) = found.queries
    assert query.masks is not None
    assert query.masks[0, :9, :9].eq(255).all()  # class 1
    assert query.masks[0, 18:25, 18:25].eq(1).all()  # class 2 is the first of the base
    assert batch(table(sources, "train", fold=1), 0).queries[0].masks.unique().tolist() == [0, 1, 255]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"split": "val"}, "COCO-20i has no split 'val'"),
        ({"short": "fail"}, r"class 9 \(boat\) has 1 images of val, but 3 supports and a query are needed"),
        ({"short": "none"}, "short=none"),
        ({"supports": 4}, "supports=4"),
        ({"fold": 2}, "no class of the fold has two images of val"),
        ({"split": "train", "least_pixels": 2048}, "shows a base class"),
    ],
)
def test_bad_input_is_one_line(sources: dict[str, Path], choices: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        table(sources, **{"split": "restricted", **choices})  # type: ignore[arg-type]
