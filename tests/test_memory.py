"""What a segmenter remembers: bounded, the oldest forgotten, and never wrong."""

import torch

from pipeline.memory import SMALL, Memory, fingerprint


def recall(memory: Memory, key: str, numbers: int) -> torch.Tensor:
    return memory.recall(key, lambda: torch.full((numbers,), float(ord(key))))


def test_a_second_question_computes_nothing():
    memory = Memory(1000)
    first = recall(memory, "a", 10)
    assert recall(memory, "a", 10) is first
    assert (memory.hits, memory.misses) == (1, 1)


def test_the_least_recently_used_goes_first():
    memory = Memory(100)
    for key in ("a", "b", "a", "c"):  # 40 bytes each: a and c stay
        recall(memory, key, 10)
    recall(memory, "a", 10)
    assert (memory.hits, memory.misses) == (2, 3)
    recall(memory, "b", 10)
    assert memory.misses == 4


def test_what_is_larger_than_the_bound_is_not_kept_and_drives_nothing_out():
    memory = Memory(100)
    recall(memory, "a", 10)
    recall(memory, "z", 1000)
    recall(memory, "a", 10)
    recall(memory, "z", 1000)
    assert (memory.hits, memory.misses) == (1, 3)


def test_small_values_are_forgotten_last_and_count():
    memory, large = Memory(4 * SMALL), SMALL // 4 + 1
    recall(memory, "v", 10)
    for key in "abcd":  # three at once are as many as there is room for beside v
        recall(memory, key, large)
    recall(memory, "v", 10)
    assert (memory.hits, memory.misses) == (1, 5)
    recall(memory, "a", large)
    assert memory.misses == 6
    for key in "wxyz":  # 4 * SMALL bytes, so that no large value stays, nor v
        recall(memory, key, SMALL // 4)
    recall(memory, "v", 10)
    recall(memory, "d", large)
    assert memory.misses == 12


def test_nested_values_count_whole():
    memory = Memory(100)
    memory.recall("a", lambda: {"maps": [torch.zeros(10), torch.zeros(10)], "none": None})
    memory.recall("b", lambda: (torch.zeros(10),))
    memory.recall("a", lambda: (torch.zeros(1),))
    assert memory.misses == 3  # 80 and 40 bytes do not fit together


def test_fingerprints_tell_masks_apart_by_content_and_shape():
    mask = torch.zeros(2, 6, dtype=torch.uint8)
    other = mask.clone()
    other[1, 5] = 1
    assert fingerprint(mask) == fingerprint(mask.clone())
    assert len({fingerprint(mask), fingerprint(other), fingerprint(mask.reshape(3, 4))}) == 3
