"""Statistics of synthesized pairs: their columns and rows, and the network they say they used."""

import math
from dataclasses import replace

import pytest
import torch
from measures.pairs import pair_of

from pipeline.evaluate.pair_statistics import lpips, mask_miou, objects, sifid

NARROW = {"width": 16, "iterations": 2, "batch": 2, "tests": 1}


def test_sifid_has_a_row_for_each_image():
    columns = sifid.measure(pair_of(3), {})
    assert list(columns) == ["sifid1", "sifid2", "sifid3", "sifid4"]
    assert all(len(values) == 3 and min(values) > 0 for values in columns.values())


def test_lpips_has_one_row_and_both_input_ranges():
    columns = lpips.measure(pair_of(4), {})
    assert set(columns) == {"lpips01", "lpips", "train01", "train"}
    assert all(len(values) == 1 and values[0] > 0 for values in columns.values())
    # The released script's range lowers both.
    assert columns["lpips01"] < columns["lpips"]
    assert columns["train01"] < columns["train"]


def test_copies_of_the_training_image_are_at_no_distance():
    pair = pair_of(2)
    pair.fakes[0][:] = pair.real[0]
    assert max(max(values) for values in lpips.measure(pair, {}).values()) < 1e-9
    assert max(max(values) for values in sifid.measure(pair, {}).values()) < 1e-9


def test_mask_miou_has_one_row_and_both_directions():
    columns = mask_miou.measure(pair_of(3), {}, **NARROW)
    names = ["staircase", "plain", "accuracy"]
    assert list(columns) == names + [f"reverse_{name}" for name in names]
    assert all(len(values) == 1 and 0 <= values[0] <= 1 for values in columns.values())


def test_objects_that_masks_lose_are_counted():
    pair = pair_of(3)
    mask = pair.real[1].clone()
    mask[0, :4] = 2
    fakes = torch.stack([mask, mask * (mask == 1), torch.zeros_like(mask)])
    found = objects.measure(replace(pair, real=(pair.real[0], mask), fakes=(pair.fakes[0], fakes), objects=2), {})
    disc = float((mask == 1).sum())
    assert found == {"kept": [1, 0.5, 0], "area": [1, pytest.approx(disc / (disc + 4)), 0]}


def test_an_object_too_small_for_the_samples_is_not_asked_for():
    pair = pair_of(1)
    mask = pair.real[1].repeat_interleave(4, 0).repeat_interleave(4, 1)
    mask[0, 0] = 2
    found = objects.measure(replace(pair, real=(pair.real[0], mask), objects=2), {})
    assert found["kept"] == [1]
    alone = replace(pair, real=(pair.real[0], mask * (mask == 2)), fakes=(pair.fakes[0], 2 * pair.fakes[1]), objects=2)
    assert all(math.isnan(value) for column in objects.measure(alone, {}).values() for value in column)


def test_a_mask_free_synthesizer_has_no_mask_quality():
    for statistic, parameters in ((mask_miou, NARROW), (objects, {})):
        with pytest.raises(ValueError, match="masks"):
            statistic.measure(pair_of(2, masks=False), {}, **parameters)


def test_statistics_say_their_network():
    nets = {"squeezenet1_1": {}, "lpips_squeeze": {}, "resnet18": {}}
    assert [s.network({}) for s in (sifid, lpips, mask_miou)] == ["random", "random", "scratch"]
    assert [s.network(nets) for s in (sifid, lpips, mask_miou)] == ["squeezenet1_1", "squeezenet1_1", "resnet18"]
    assert mask_miou.network(nets, width=16, iterations=2) == "scratch"


def test_a_real_image_of_another_size_is_fitted():
    pair = pair_of(2)
    image, mask = pair.real
    larger = replace(pair, real=(image.repeat_interleave(2, 1).repeat_interleave(2, 2), mask))
    assert torch.equal(pair.fakes[0][1], image)  # so that it is at some distance by its blurred edges alone
    assert sifid.measure(pair, {})["sifid1"][1] < 1e-9 < sifid.measure(larger, {})["sifid1"][1] < 0.1
