"""What is kept of all episodes beside the pictures of the first few: frames of a film, or supports not seen before."""

import torch

from pipeline.evaluate.score import Pictures
from pipeline.segmenter import Frame, Prediction


def frame(shade: int, count: int = 2) -> Frame:
    return Frame(torch.full((count, 3, 8, 8), shade, dtype=torch.uint8), torch.ones((count, 8, 8), dtype=torch.uint8))


def test_a_film_has_a_frame_of_every_episode() -> None:
    pictures = Pictures(1, "film")
    for first in (0, 2):
        pictures.add_supports([first, first + 1], [frame(1)])
        pictures.add_query([first, first + 1], 0, frame(9), Prediction(probabilities=torch.ones(2, 1, 8, 8)))
    assert sorted(pictures.arrays) == sorted(
        [*(f"{e}/film" for e in range(4)), "0/support0", "0/query0", "0/truth0", "0/prediction0"]
    )
    assert (pictures.arrays["3/film"] == (9, 9, 9, 255)).all()


def test_every_support_is_kept_once() -> None:
    pictures = Pictures(0, "supports")
    for number, shade in enumerate((5, 6, 5, 7)):
        pictures.add_supports([number], [frame(shade, 1)])
    assert {name: int(array.max()) for name, array in pictures.arrays.items()} == {
        "0/shown": 5,
        "1/shown": 6,
        "3/shown": 7,
    }
