"""Statistics against masks counted by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.centre import centre_of_mass
from pipeline.evaluate.statistics import centre_distance, choice, overlap
from pipeline.segmenter import Prediction


def test_overlap_counts_by_hand_and_leaves_void_out():
    probabilities = torch.tensor([[[[0.9, 0.4, 0.2], [0.9, 0.31, 0.3]]]])
    truth = torch.tensor([[[1, 1, 1], [0, 0, 255]]], dtype=torch.uint8)
    found = overlap.measure(Prediction(probabilities), truth, 1, thresholds=[0.3, 0.5])
    numbers = {name: value.item() for name, value in found.items()}
    assert numbers == {"positives": 3, "pixels": 5, "tp@0.3": 2, "fp@0.3": 2, "tp@0.5": 1, "fp@0.5": 1}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_overlap_equals_pixel_by_pixel_counting(seed, objects):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(2, objects, 5, 7, generator=generator)
    truth = torch.randint(0, objects + 2, (2, 5, 7), generator=generator)
    truth[truth == objects + 1] = 255
    found = overlap.measure(Prediction(probabilities), truth.to(torch.uint8), objects, thresholds=[0.3])
    for b in range(2):
        for o in range(objects):
            pairs = [
                (float(p) > 0.3, int(t) == o + 1)
                for p, t in zip(probabilities[b, o].flatten(), truth[b].flatten(), strict=True)
                if int(t) != 255
            ]
            assert found["tp@0.3"][b, o] == pairs.count((True, True))
            assert found["fp@0.3"][b, o] == pairs.count((True, False))
            assert found["positives"][b, o] == sum(t for _, t in pairs)
            assert found["pixels"][b, o] == len(pairs)


def mask_at(y, x, size=20):
    mask = torch.zeros(1, size, size, dtype=torch.uint8)
    mask[0, y, x] = 1
    return mask


@pytest.mark.parametrize(("point", "distance"), [((4, 3), 5.0), ((0, 0), 0.0), ((1, 1), math.sqrt(2))])
def test_centre_distance_of_single_pixels(point, distance):
    prediction = Prediction(mask_at(*point).float().unsqueeze(1))
    found = centre_distance.measure(prediction, mask_at(0, 0), 1, threshold=0.3)
    assert found["distance"].item() == pytest.approx(distance)


def test_centres_are_floored_like_the_authors_code():
    truth = torch.zeros(1, 20, 20, dtype=torch.uint8)
    truth[0, 0, 0:2] = 1  # centre of mass x = 0.5, floored to 0
    found = centre_distance.measure(Prediction(mask_at(0, 5).float().unsqueeze(1)), truth, 1, threshold=0.3)
    assert found["distance"].item() == 5.0


def test_nothing_found_has_no_distance():
    found = centre_distance.measure(Prediction(torch.zeros(1, 1, 20, 20)), mask_at(3, 3), 1, threshold=0.3)
    assert math.isnan(found["distance"].item())


def test_a_methods_own_centre_is_used():
    prediction = Prediction(torch.zeros(1, 1, 20, 20), centres=torch.tensor([[[7.9, 3.2]]]))
    found = centre_distance.measure(prediction, mask_at(3, 7), 1, threshold=0.3)
    assert found["distance"].item() == 0


def test_centre_of_mass_is_x_then_y():
    assert centre_of_mass(mask_at(2, 9)).tolist() == [[9.0, 2.0]]


def test_choice_takes_the_largest_score():
    truth = mask_at(1, 1) * 3
    scores = torch.tensor([[0.1, 0.2, 0.9, 0.3, 0.4]])
    assert choice.measure(Prediction(scores=scores), truth, 5)["correct"].item() == 1
    assert choice.measure(Prediction(scores=-scores), truth, 5)["correct"].item() == 0
    assert choice.measure(Prediction(scores=-scores), truth, 5)["chosen"].item() == 1
