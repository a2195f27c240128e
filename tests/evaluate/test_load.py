"""Which episodes are scored beside one another, and in which order, where images recur."""

import numpy as np
import pytest
import torch

from pipeline.errors import UserError
from pipeline.evaluate.load import episodes
from pipeline.gallery import write_gallery
from pipeline.render.coco import gallery
from pipeline.render.coco20i import renderer
from pipeline.render.write import write_store
from pipeline.segmenter import Batch
from tests.evaluate.test_extend import job
from tests.render.cocos import annotation, make_coco, square


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty tasks of six images, three of which support."""
    folder = tmp_path_factory.mktemp("tasks")
    source = make_coco(folder / "raw", {"val": [annotation(n, 1, square(0, 0, 12)) for n in range(1, 7)]})
    images = folder / "coco" / "images.zarr"
    write_gallery(images, gallery(sources={"coco2014": source}))
    table = renderer(
        split="restricted", sources={"coco": images}, fold=0, choice=3, least_pixels=100, side=41, short="fewer"
    )
    (folder / "work").mkdir()
    store = write_store(table, 20, work=folder / "work", recipe="", threads=1)
    store.rename(folder / "restricted.zarr")
    return (folder / "restricted.json").as_posix()


def order(manifest: str, after: int = 0, **choices: object) -> list[tuple[list[int], list[str], list[str]]]:
    """Numbers, supports and queries of every batch."""
    found = []
    asked = job(**{"data": manifest, "episodes": 20, "batch": 8, **choices})
    for numbers, batch in episodes(asked, torch.device("cpu"), after=after):
        assert isinstance(batch, Batch)
        found.append((numbers, [*batch.supports.frames[0].ids], [*batch.queries[0].ids]))
    return found


def test_tasks_follow_one_another_by_query_side_by_side(manifest: str) -> None:
    batches = order(manifest)
    assert [len(numbers) for numbers, _, _ in batches] == [8, 8, 4]
    queries = [name for _, _, names in batches for name in names]
    assert queries == sorted(queries)


@pytest.mark.parametrize("extended", [{"standard": True}, {"synthetic": "pairs.json"}])
def test_extended_ones_by_support_one_at_a_time(manifest: str, extended: dict[str, object]) -> None:
    batches = order(manifest, **extended)
    assert [len(numbers) for numbers, _, _ in batches] == [1] * 20
    supports = [name for _, names, _ in batches for name in names]
    assert supports == sorted(supports)
    assert len(set(supports)) == 3
    assert sorted(np.concatenate([numbers for numbers, _, _ in batches]).tolist()) == list(range(20))


def test_a_run_is_its_own_part_of_the_split_counted_from_0(manifest: str) -> None:
    def tasks(**choices: int) -> dict[int, tuple[str, str]]:
        batches = order(manifest, batch=1, **choices)
        return {number: (supports[0], queries[0]) for (number,), supports, queries in batches}

    whole = tasks()
    assert tasks(first=12, episodes=6) == {n: whole[12 + n] for n in range(6)}
    assert list(tasks(first=12, episodes=6, after=4).values()) == list(tasks(first=12, episodes=6).values())[4:]
    assert len(tasks(first=12, episodes=40)) == 8  # a gallery may give fewer
    with pytest.raises(UserError, match="holds 20 episodes, none from 20 on: lower the setting runs"):
        tasks(first=20)
