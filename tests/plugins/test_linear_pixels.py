"""The linear model on pixels: what it learns from whole images, and what it says of a query."""

import torch

from pipeline.segmenter import Frame, Supports
from plugins.linear_pixels.model import build


def frame(shade: int, positive: bool, seed: int) -> Frame:
    noise = torch.randint(-20, 21, (1, 3, 40, 48), generator=torch.Generator().manual_seed(seed))
    images = (shade + noise).clamp(0, 255).to(torch.uint8)
    return Frame(images, torch.full((1, 40, 48), int(positive), dtype=torch.uint8))


def test_bright_images_are_told_from_dark_ones() -> None:
    frames = tuple(frame(200 if k % 2 else 60, bool(k % 2), k) for k in range(6))
    model = build()
    state = model.adapt(Supports(frames, 1))
    for shade, bright in ((190, True), (70, False)):
        (prediction,) = model.predict(state, [frame(shade, bright, 99)])
        assert prediction.probabilities is not None
        assert prediction.probabilities.shape == (1, 1, 40, 48)
        assert prediction.probabilities.unique().numel() == 1
        assert bool((prediction.probabilities > 0.5).all()) == bright


def test_weights_are_a_mixture_of_the_supports_with_a_bias() -> None:
    model = build(side=4)
    ((linear,),) = model.adapt(Supports((frame(200, True, 0), frame(60, False, 1)), 1))
    assert linear.weight.shape == (48,)
    assert float(linear.weight.sum()) > 0
