"""1-NN, logistic regression and linear SVM on cells: hand-made features, plain paths, what is remembered, weights."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pipeline.errors import UserError
from pipeline.layers.cell_features import CellFeatures
from pipeline.layers.cells import Grid
from pipeline.layers.vgg import normalized
from pipeline.memory import Memory
from pipeline.segmenter import Frame, Supports
from plugins.fcn.model import build as build_fcn
from plugins.linear_svm.model import LinearSvm
from plugins.linear_svm.model import build as build_svm
from plugins.logreg.model import LogisticRegression
from plugins.logreg.model import build as build_logreg
from plugins.one_nn.model import OneNn
from plugins.one_nn.model import build as build_one_nn

BUILDERS = [build_one_nn, build_logreg, build_svm]


class MeanColour(CellFeatures):
    """The mean colour of 8x8 pixels: cells that a test can work out by hand."""

    grid = Grid(stride=8, first=3.5)

    def forward(self, images):
        return F.avg_pool2d(images.float() / 255, 8)


def toy(kind):
    changes = {"side": None, "upsampling": "nearest"}
    if kind == "one_nn":
        return OneNn(MeanColour(), **changes)
    if kind == "logreg":
        return LogisticRegression(MeanColour(), loss="logistic", penalty=1000.0, **changes)
    return LinearSvm(MeanColour(), loss="squared_hinge", penalty=1000.0, **changes)


def coloured(colour, *, size=(48, 48), box=(16, 32, 16, 40), name="a", void=False, number=1):
    """A rectangle of `colour` on dark grey, aligned with the cells."""
    image = torch.full((1, 3, *size), 40, dtype=torch.uint8)
    mask = torch.zeros(1, *size, dtype=torch.uint8)
    top, bottom, left, right = box
    image[0, :, top:bottom, left:right] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    mask[0, top:bottom, left:right] = number
    if void:
        mask[0, :8] = 255
    return Frame(image, mask, (name,))


def answer(segmenter, frames, query, objects=1):
    with torch.no_grad():
        (found,) = segmenter.predict(segmenter.adapt(Supports(tuple(frames), objects)), [replace(query, masks=None)])
    return found.probabilities


@pytest.mark.parametrize("kind", ["one_nn", "logreg", "svm"])
def test_finds_the_rectangle_of_the_supports_colour(kind):
    red, blue = (220, 30, 30), (30, 30, 220)
    query = coloured(red, size=(56, 64), box=(8, 24, 24, 56))
    frames = [coloured(red, void=True), coloured(blue, size=(40, 64), box=(8, 16, 8, 32), number=0, name="b")]
    found = answer(toy(kind), frames, query)
    assert found.shape == (1, 1, 56, 64)
    assert torch.equal(found[0, 0] > 0.5, query.masks[0] == 1)


@pytest.mark.parametrize("kind", ["one_nn", "logreg", "svm"])
def test_several_objects_are_told_apart(kind):
    frames = [coloured((220, 30, 30)), coloured((30, 30, 220), number=2, name="b")]
    query = coloured((30, 30, 220), box=(0, 16, 8, 40), name="q")
    found = answer(toy(kind), frames, query, objects=2)[0] > 0.5
    assert torch.equal(found[1], query.masks[0] == 1)
    assert not found[0].any()


@pytest.mark.parametrize("kind", ["one_nn", "logreg", "svm"])
@pytest.mark.parametrize("label", [0, 255])
def test_a_support_without_the_object_finds_nothing(kind, label):
    support = coloured((220, 30, 30))
    support.masks.fill_(label)
    assert not (answer(toy(kind), [support], coloured((220, 30, 30))) > 0.5).any()


def test_the_map_of_labels_is_upsampled_between_the_centres_of_cells():
    segmenter = OneNn(MeanColour(), side=None, upsampling="bilinear")
    found = answer(segmenter, [coloured((220, 30, 30))], coloured((220, 30, 30)))[0, 0]
    cells = torch.zeros(6, 6)
    cells[2:4, 2:5] = 1
    torch.testing.assert_close(found, F.interpolate(cells[None, None], (48, 48), mode="bilinear")[0, 0])


def test_logistic_regression_upsamples_probabilities_and_the_svm_margins():
    frames, query = [coloured((220, 30, 30))], coloured((150, 30, 30), box=(8, 24, 8, 24))
    for kind, cells_first in (("logreg", True), ("svm", False)):
        segmenter = toy(kind)
        segmenter.upsampling = "bilinear"
        ((classifier,),) = segmenter.adapt(Supports(tuple(frames), 1))
        margins = classifier.margins(segmenter.look(query).flatten(1).T).view(1, 1, 6, 6)
        if cells_first:
            wanted = F.interpolate(margins.sigmoid(), (48, 48), mode="bilinear")
        else:
            wanted = F.interpolate(margins, (48, 48), mode="bilinear").sigmoid()
        torch.testing.assert_close(answer(segmenter, frames, query), wanted)


# The real features.


def fcn_weights(width=32, classes=16):
    torch.manual_seed(1)
    return build_fcn(width=width, classes=classes).weights()


@pytest.mark.parametrize("build", BUILDERS)
def test_they_stand_on_the_weights_of_the_fcn(build):
    weights = fcn_weights()
    weights["pretrained"].fill_(True)
    segmenter = build(width=32, side=96, weights={"fcn": weights}).eval()
    assert segmenter.trunk == "pretrained"
    assert build(width=32).trunk == "scratch"
    with torch.no_grad():
        network = build_fcn(width=32).eval()
        network.load_weights(weights)
        frame = coloured((220, 30, 30))
        square = F.interpolate(frame.images.float(), (96, 96), mode="bilinear")
        assert torch.equal(segmenter.look(frame), network.extractor.features(normalized(square))[0])


def test_cells_of_500_pixels_are_16x16_and_end_at_the_border():
    segmenter = build_one_nn(width=64)
    with torch.no_grad():
        assert segmenter.look(coloured((9, 9, 9), size=(375, 500))).shape == (64, 16, 16)
    assert segmenter.features.grid == Grid(stride=32, first=12.5)


def test_the_variant_takes_a_published_squeezenet():
    segmenter = build_logreg(features="squeezenet", side=96)
    assert segmenter.trunk == "scratch"
    assert sum(p.numel() for p in segmenter.parameters()) == 722_496
    with torch.no_grad():
        assert segmenter.eval().look(coloured((9, 9, 9))).shape == (512, 5, 5)
    published = {name: torch.zeros_like(p) for name, p in segmenter.features.network.features.named_parameters()}
    again = build_logreg(features="squeezenet", weights={"trunk": published})
    assert again.trunk == "pretrained"
    with pytest.raises(UserError, match=r"they are not SqueezeNet 1\.1"):
        build_logreg(features="squeezenet", weights={"trunk": {}})


@pytest.mark.parametrize("features", ["alexnet", "alexnet_caffe"])
def test_the_variant_takes_a_published_alexnet(features):
    segmenter = build_logreg(features=features, width=16).eval()
    assert segmenter.trunk == "scratch"
    assert segmenter.features.grid == Grid(stride=32, first=13)
    frame = coloured((9, 9, 9))
    with torch.no_grad():
        assert segmenter.look(frame).shape == (256, 16, 16)
    names = {"fc6": "classifier.1", "fc7": "classifier.4"}
    published = {}
    for name, value in segmenter.features.network.state_dict().items():
        layer, _, kind = name.rpartition(".")
        published[f"{names[layer]}.{kind}" if layer in names else name.removeprefix("alexnet.")] = (
            value.flatten(1) if (layer in names and kind == "weight") else value
        )
    again = build_logreg(features=features, width=16, weights={"trunk": published}).eval()
    assert again.trunk == "pretrained"
    with torch.no_grad():
        assert torch.equal(again.look(frame), segmenter.look(frame))


def test_caffes_alexnet_takes_blue_first():
    torch.manual_seed(0)
    cells = build_logreg(features="alexnet_caffe", width=16).eval().features
    image = torch.tensor([122.679, 116.669, 104.006])[None, :, None, None].expand(1, 3, 64, 64)  # Caffe's mean colour
    with torch.no_grad():
        assert torch.equal(cells(image), cells.network.features(torch.zeros(1, 3, 64, 64)))


@pytest.mark.parametrize("build", BUILDERS)
def test_remembered_features_change_no_bit_and_every_image_is_looked_at_once(build):
    torch.manual_seed(0)
    segmenter, looked = build(width=32, side=64).eval(), []
    noise = torch.Generator().manual_seed(0)
    frames = [
        Frame(
            torch.randint(0, 256, (1, 3, 48, 40 + 8 * n), dtype=torch.uint8, generator=noise),
            (torch.rand(1, 48, 40 + 8 * n, generator=noise) > 0.5).to(torch.uint8),
            (f"image{n}",),
        )
        for n in range(5)
    ]
    plain = [answer(segmenter, frames[:k], frames[q]) for k in (1, 3) for q in (3, 4)]
    forward = segmenter.features.forward
    segmenter.features.forward = lambda images: looked.append(len(images)) or forward(images)
    segmenter.memory = Memory(1 << 30)
    for wanted, (k, q) in zip(plain, [(k, q) for k in (1, 3) for q in (3, 4)], strict=True):
        assert torch.equal(answer(segmenter, frames[:k], frames[q]), wanted)
    assert looked == [1] * 5
