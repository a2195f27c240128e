"""The substitute for co-segmentation: the cut against a plain one, what it finds, and that masks do not matter."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from pipeline.layers.cell_features import CellFeatures
from pipeline.layers.cells import Grid
from pipeline.memory import Memory
from pipeline.segmenter import Frame, Supports
from plugins.coseg_substitute.model import CosegSubstitute, build
from plugins.coseg_substitute.spectral import border, cut


def plain_cut(cells):
    """The second smallest of (D - W) y = lambda D y, from the n x n matrix."""
    unit = F.normalize(cells.double(), dim=1)
    affinity = unit @ unit.T
    root = affinity.sum(1).sqrt()
    values = torch.linalg.eigh(torch.eye(len(cells)) - affinity / root[:, None] / root).eigenvectors[:, 1] / root
    return values / values.std()


def test_the_cut_equals_that_of_the_whole_affinity():
    cells = torch.rand(40, 12, generator=torch.Generator().manual_seed(0)) ** 3
    found, wanted = cut(cells), plain_cut(cells)
    torch.testing.assert_close(found * (found @ wanted).sign(), wanted, atol=1e-6, rtol=1e-6)


def test_the_cut_separates_two_kinds_and_is_0_for_one():
    kinds = torch.arange(30) % 3 == 0
    cells = torch.where(kinds[:, None], torch.tensor([1.0, 0.1, 0]), torch.tensor([0.0, 0.1, 1]))
    found = cut(cells + 0.01 * torch.rand(30, 3, generator=torch.Generator().manual_seed(0))) > 0
    assert torch.equal(found, kinds) or torch.equal(~found, kinds)
    assert not cut(torch.ones(9, 3)).any()


def test_the_border_is_one_cell_wide():
    assert border(3, 4, torch.device("cpu")).view(3, 4).tolist() == [[True] * 4, [True, False, False, True], [True] * 4]


class MeanColour(CellFeatures):
    """The mean colour of 8x8 pixels."""

    grid = Grid(stride=8, first=3.5)

    def forward(self, images):
        return F.avg_pool2d(images.float() / 255, 8)


def scene(box, name, size=(48, 48)):
    top, bottom, left, right = box
    images = torch.tensor([40, 40, 160], dtype=torch.uint8)[None, :, None, None].repeat(1, 1, *size)
    images[0, :, top:bottom, left:right] = torch.tensor([200, 60, 20], dtype=torch.uint8)[:, None, None]
    masks = torch.zeros(1, *size, dtype=torch.uint8)
    masks[0, top:bottom, left:right] = 1
    return Frame(images, masks, (name,))


def answer(segmenter, frames, query, objects=1):
    with torch.no_grad():
        (found,) = segmenter.predict(segmenter.adapt(Supports(tuple(frames), objects)), [query])
    return found.probabilities


def test_finds_what_the_images_share_and_their_borders_lack():
    segmenter = CosegSubstitute(MeanColour(), side=None, upsampling="nearest")
    frames = [scene((8, 24, 16, 40), "a"), scene((16, 32, 8, 24), "b")]
    query = scene((24, 40, 8, 32), "q", (56, 64))
    found = answer(segmenter, frames, query, objects=3)
    assert found.shape == (1, 3, 56, 64)
    for maps in found[0]:
        assert torch.equal(maps > 0.5, query.masks[0] == 1)
    empty = [replace(frame, masks=torch.zeros_like(frame.masks)) for frame in frames]
    assert torch.equal(answer(segmenter, empty, query, objects=3), found)


def test_remembered_features_change_no_bit():
    torch.manual_seed(0)
    segmenter = build(side=96).eval()
    frames, query = [scene((8, 24, 16, 40), "a"), scene((16, 32, 8, 24), "b")], scene((24, 40, 8, 32), "q", (56, 64))
    plain = [answer(segmenter, frames[:k], query) for k in (1, 2)]
    segmenter.memory = Memory(1 << 30)
    for wanted, k in zip(plain, (1, 2), strict=True):
        assert torch.equal(answer(segmenter, frames[:k], query), wanted)
    assert (segmenter.memory.hits, segmenter.memory.misses) == (2, 3)
