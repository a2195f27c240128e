"""RePRI as a segmenter: tasks side by side, extended supports, padding, what is remembered."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.embedders import Embedder
from pipeline.layers.repri.refine import Recipe
from pipeline.layers.repri.segmenter import Repri
from pipeline.layers.repri.supports import added, extended
from pipeline.memory import Memory
from pipeline.segmenter import Frame, Supports
from tests.layers.repri.plain import infer

SIDE = 41


class Colours(Embedder):
    """A random convolution of 8 channels every 8 pixels, in place of a network; counts the images it sees."""

    def __init__(self) -> None:
        """The same weights each time."""
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(8, 3, 5, 5, generator=generator))
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        """Six cells of 41 pixels a side."""
        self.seen += len(images)
        return F.conv2d(images.float() / 255 - 0.3, self.weight, stride=8, padding=4).relu()


def network(**choices: object) -> Repri:
    return Repri(Colours(), **{"recipe": Recipe(), "copies": 3, **choices}).eval()  # type: ignore[arg-type]


def frame(seed: int, *, batch: int = 1, padded: int = 5, masks: bool = True) -> Frame:
    """Noise with a bright square as the object; black and void padding at the bottom."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(1, 50, (batch, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    labels = torch.zeros(batch, SIDE, SIDE, dtype=torch.uint8)
    for b in range(batch):
        top, left = torch.randint(0, 20, (2,), generator=generator).tolist()
        images[b, 0, top : top + 16, left : left + 16] += 200
        labels[b, top : top + 16, left : left + 16] = 1
    if padded:
        images[:, :, -padded:], labels[:, -padded:] = 0, 255
    names = tuple(f"{seed}-{b}" for b in range(batch))
    return Frame(images, labels if masks else None, names)


def answer(segmenter: Repri, supports: Supports, query: Frame) -> Tensor:
    with torch.no_grad():
        (found,) = segmenter.predict(segmenter.adapt(supports), [query])
    assert found.probabilities is not None
    return found.probabilities


def test_an_answer_is_that_of_the_plain_inference_enlarged_from_corner_to_corner() -> None:
    segmenter, support, query = network(), frame(1, batch=3), frame(2, batch=3, masks=False)
    found = answer(segmenter, Supports((support,), 1), query)
    with torch.no_grad():
        state = segmenter.adapt(Supports((support,), 1))
        features = segmenter._features(query)
    for b in range(3):
        from pipeline.layers.repri.cells import inside
        from pipeline.layers.repri.refine import Tasks

        cells = torch.cat([state.cells[b].features, features[b].flatten(1)], 1)[None]
        counted = torch.cat([state.cells[b].counted, inside(query.images, (6, 6))[b : b + 1]], 1)
        plain = infer(Tasks(cells, state.cells[b].truth, counted, torch.ones(1)), 0)
        logits = 20 * F.cosine_similarity(features[b], plain.weight[:, None, None], dim=0) - plain.bias
        wanted = F.interpolate(logits[None, None], (SIDE, SIDE), mode="bilinear", align_corners=True).sigmoid()
        torch.testing.assert_close(found[b], wanted[0], atol=1e-4, rtol=1e-4)


def test_the_steps_make_the_answer_better() -> None:
    query, overlaps = frame(2, batch=6), list[float]()
    assert query.masks is not None
    true = query.masks == 1
    for steps in (0, 49):
        segmenter = network(recipe=Recipe(steps=steps))
        found = answer(segmenter, Supports((frame(1, batch=6),), 1), replace(query, masks=None))[:, 0] > 0.5
        overlaps.append(float((found & true).sum() / (found | true)[query.masks != 255].sum()))
    assert overlaps[1] > 1.4 * overlaps[0]


def test_tasks_side_by_side_are_those_one_by_one() -> None:
    segmenter, support, query = network(), frame(1, batch=3), frame(2, batch=3, masks=False)
    together = answer(segmenter, Supports((support,), 1), query)
    for b in range(3):
        part = slice(b, b + 1)
        alone = answer(segmenter, Supports((support.part(part),), 1), query.part(part))
        torch.testing.assert_close(together[part], alone, atol=1e-5, rtol=1e-4)


def test_autocast_reaches_the_features_alone() -> None:
    segmenter, supports, query = network(), Supports((frame(1),), 1), frame(2, masks=False)
    plain = answer(segmenter, supports, query)
    segmenter.memory = Memory(1 << 20)
    answer(segmenter, supports, query)  # features are remembered as they are without autocast
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(answer(segmenter, supports, query), plain)


def test_what_padding_a_query_has_changes_neither_truth_nor_void(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classifier's steps ignore padded cells: nothing of them reaches the losses."""
    from pipeline.layers.repri import segmenter as module

    held = []
    refine = module.refine
    monkeypatch.setattr(module, "refine", lambda tasks, recipe: held.append(tasks) or refine(tasks, recipe))
    answer(network(), Supports((frame(1, padded=9),), 1), frame(2, padded=17, masks=False))
    (tasks,) = held
    support, query = tasks.counted[0].view(2, 6, 6)
    assert support[:, 0].tolist() == [1] * 5 + [0]
    assert query[:, 0].tolist() == [1] * 4 + [0] * 2


def test_shots_weigh_divergence_and_entropy_by_one_over_k() -> None:
    supports = Supports((frame(1), frame(3)), 1)
    assert network().adapt(supports).shots == 2
    pairs = replace(supports.first(1), extra=(frame(4), frame(5)), standard=True)
    assert network().adapt(pairs).shots == 1
    assert network(lambda_by_k=True).adapt(pairs).shots == 3
    assert network(lambda_by_k=True, both="added").adapt(pairs).shots == 6


@pytest.mark.parametrize(
    ("standard", "extra", "both", "origins"),
    [
        (False, 0, "warped", []),
        (True, 0, "warped", ["standard"] * 3),
        (False, 2, "warped", ["synthetic"] * 2),
        (True, 2, "warped", ["standard"] * 2),
        (True, 2, "added", ["synthetic"] * 2 + ["standard"] * 3),
    ],
)
def test_the_four_cells_extend_the_support(standard: bool, extra: int, both: str, origins: list[str]) -> None:
    pairs = tuple(replace(frame(n), origin="synthetic") for n in range(extra))
    supports = Supports((frame(9),), 1, extra=pairs, standard=standard, seed=1)
    found = extended(supports, copies=3, both=both)  # type: ignore[arg-type]
    assert [each.origin for each in found] == ["real", *origins]
    assert added(supports, copies=3, both=both) == len(origins)  # type: ignore[arg-type]
    cells = network(both=both).adapt(supports).cells[0]
    assert cells.features.shape[1] == cells.truth.shape[1] == 36 * (1 + len(origins))


def test_pairs_are_fitted_to_the_support_s_frame_as_the_protocol_does() -> None:
    pair = Frame(torch.full((1, 3, 30, 60), 90, dtype=torch.uint8), torch.ones(1, 30, 60, dtype=torch.uint8), ("p",))
    found = extended(Supports((frame(1),), 1, extra=(pair,)), copies=0, both="warped")[1]
    assert found.masks is not None
    assert found.images.shape == (1, 3, SIDE, SIDE)
    assert (found.masks[0] == 255).sum() == SIDE * SIDE - 16 * 40


def test_draws_keep_to_the_picture_and_follow_seed_and_name() -> None:
    def draw(seed: int, name: int) -> Frame:
        return extended(Supports((frame(name),), 1, standard=True, seed=seed), copies=2, both="warped")[1]

    first, again = draw(1, 1), draw(1, 1)
    assert first.masks is not None
    assert torch.equal(first.images, again.images)
    assert (first.images[:, :, -5:] == 0).all()
    assert (first.masks[:, -5:] == 255).all()
    assert not torch.equal(first.images, draw(2, 1).images)
    two = extended(Supports((frame(1),), 1, standard=True, seed=1), copies=2, both="warped")
    assert not torch.equal(two[1].images, two[2].images)


@pytest.mark.parametrize("change", [{}, {"standard": True}, {"extra": (frame(7), frame(8))}])
def test_images_and_extended_supports_are_looked_at_once(change: dict[str, object]) -> None:
    segmenter = network()
    segmenter.memory = Memory(1 << 20)
    supports = replace(Supports((frame(1),), 1), **change)  # type: ignore[arg-type]
    first = answer(segmenter, supports, frame(2, masks=False))
    looked = segmenter.embedder.seen  # type: ignore[attr-defined]
    assert torch.equal(first, answer(segmenter, supports, frame(2, masks=False)))
    assert segmenter.embedder.seen == looked  # type: ignore[attr-defined]
    answer(segmenter, replace(supports, standard=True, seed=5), frame(2, masks=False))
    assert segmenter.embedder.seen > looked  # type: ignore[attr-defined]


def test_an_object_that_no_support_shows_has_no_chance() -> None:
    support = frame(1)
    assert support.masks is not None
    empty = replace(support, masks=support.masks.masked_fill(support.masks == 1, 0), ids=("empty",))
    assert answer(network(), Supports((empty,), 1), frame(2, masks=False)).max() == 0
