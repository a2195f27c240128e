"""The statistic behind J and F: labels from probabilities, and their counts."""

import numpy as np
import pytest
import torch

from pipeline.evaluate.davis.counts import COUNTS
from pipeline.evaluate.statistics import contours
from pipeline.segmenter import Prediction
from tests.evaluate.davis import plain_counts


def test_labels_are_the_likeliest_object_and_background_below_one_half() -> None:
    probabilities = torch.tensor([[0.5, 0.4, 0.6, 0.1, 0.9], [0.2, 0.49, 0.7, 0.8, 0.9]]).reshape(1, 2, 1, 5)
    truth = torch.tensor([[[1, 1, 2, 255, 1]]], dtype=torch.uint8)
    found = contours.measure(Prediction(probabilities), truth, 2)  # labels 1, 0, 2, 2, 1
    assert found["intersection"].tolist() == [[2, 1]]
    assert found["union"].tolist() == [[3, 2]]
    ignored = contours.measure(Prediction(probabilities), truth, 2, void="ignored")
    assert ignored["union"].tolist() == [[3, 1]]


def test_columns_of_a_batch_equal_the_plain_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(2, 3, 31, 45, generator=generator)
    truth = torch.randint(0, 5, (2, 31, 45), generator=generator).to(torch.uint8)
    found = contours.measure(Prediction(probabilities), truth, 3)
    best, label = probabilities.numpy().max(1), probabilities.numpy().argmax(1) + 1
    labels = np.where(best < 0.5, 0, label).astype(np.uint8)
    assert list(found) == list(COUNTS)
    for row in range(2):
        plain = plain_counts.count(labels[row], truth[row].numpy(), 3)
        assert np.array_equal(np.stack([found[name][row].numpy() for name in COUNTS], axis=-1), plain)


def test_probabilities_are_needed() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        contours.measure(Prediction(scores=torch.zeros(1, 1)), torch.zeros(1, 4, 4, dtype=torch.uint8), 1)
