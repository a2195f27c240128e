"""The share of a card: slots of one device, which no two jobs hold."""

import threading
from contextlib import ExitStack

import pytest
import torch

from pipeline.device import lock_slots, name_of, share
from pipeline.errors import UserError


def test_four_quarters_make_a_card(tmp_path):
    with ExitStack() as held:
        assert [lock_slots(["a", "b"], 2, tmp_path, held) for _ in range(4)] == [0, 0, 1, 1]


def test_whoever_wants_a_whole_card_takes_the_free_one(tmp_path):
    with ExitStack() as held:
        assert lock_slots(["a", "b"], 1, tmp_path, held) == 0
        assert lock_slots(["a", "b"], 4, tmp_path, held) == 1
        assert lock_slots(["a", "b"], 3, tmp_path, held) == 0


def test_a_job_waits_until_a_share_is_free(tmp_path):
    first, second, found = ExitStack(), ExitStack(), []
    lock_slots(["a"], 3, tmp_path, first)
    waiting = threading.Thread(target=lambda: found.append(lock_slots(["a"], 2, tmp_path, second)))
    waiting.start()
    waiting.join(0.5)
    assert found == []
    first.close()
    waiting.join(10)
    assert found == [0]
    second.close()


def test_the_cpu_takes_the_threads_it_is_given():
    before = torch.get_num_threads()
    with share("cpu", 4, 2) as device:
        assert name_of(device) == "cpu (2 threads)"
    torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_a_gpu_that_is_not_there_is_one_line():
    with pytest.raises(UserError, match="device=cuda, but torch sees no GPU"), share("cuda", 4, 1):
        pass
