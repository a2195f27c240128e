"""Labels of cells, and which cells show a picture."""

import torch

from pipeline.layers.repri.cells import inside, labelled, pictured


def test_cells_have_the_value_of_the_nearest_pixel_and_void_is_not_counted() -> None:
    mask = torch.tensor([[[1, 0, 2, 2], [0, 0, 2, 2], [255, 1, 0, 0], [1, 1, 0, 0]]], dtype=torch.uint8)
    truth, counted = labelled(mask, 1, (2, 2))
    assert truth.tolist() == [[1, 0, 0, 0]]
    assert counted.tolist() == [[1, 1, 0, 1]]
    assert labelled(mask, 2, (2, 2))[0].tolist() == [[0, 1, 0, 0]]


def test_an_object_between_the_cells_gets_the_one_that_holds_most_of_it() -> None:
    mask = torch.zeros(2, 8, 8, dtype=torch.uint8)
    mask[0, 5, 5:8] = mask[0, 3, 3] = 1
    truth, counted = labelled(mask, 1, (2, 2))
    assert truth.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]
    assert counted.min() == 1


def test_black_rows_and_columns_at_the_end_are_padding() -> None:
    images = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    images[0, 1, :5, :6] = 9
    images[0, :, 2] = 0  # a black row inside is part of the picture
    images[1] = 1
    assert pictured(images).tolist() == [[5, 6], [8, 8], [8, 8]]
    assert inside(images, (4, 4))[0].view(4, 4).tolist() == [[1, 1, 1, 0]] * 3 + [[0] * 4]
