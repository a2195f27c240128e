"""The device of one job: which one, how it is shared between jobs, and what it is called."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import torch

from pipeline.errors import UserError

QUARTERS = 4
"""A card is shared in quarters; a job locks as many slots of one card as it asks for."""


@contextmanager
def share(device: str, quarters: int, threads: int, locks: Path = Path("work/gpu")) -> Iterator[torch.device]:
    """Yield the device of a job: `auto` is a GPU where there is one; waits until `quarters` slots of a card are free.

    Sets torch's CPU threads to `threads`. Raises `UserError` where `cuda` is asked for and there is none.
    """
    torch.set_num_threads(threads)
    cuda = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise UserError("device=cuda, but torch sees no GPU: install a CUDA build and driver, or set device=auto")
    if not cuda:
        yield torch.device("cpu")
        return
    rank = os.environ.get("LOCAL_RANK")
    if rank is not None:  # under torchrun every rank has a card of its own
        torch.cuda.set_device(int(rank))
        yield torch.device("cuda", int(rank))
        return
    with ExitStack() as held:
        index = _lock_slots(list(range(torch.cuda.device_count())), max(1, quarters), locks, held)
        torch.cuda.set_device(index)
        yield torch.device("cuda", index)


def name_of(device: torch.device) -> str:
    """`cpu (2 threads)`, or the card's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''})"


def _lock_slots(cards: list[int], quarters: int, locks: Path, held: ExitStack) -> int:
    """Wait for `quarters` free slots of one card; the locks die with the process."""
    locks.mkdir(parents=True, exist_ok=True)
    while True:
        for card in cards:
            taken: list[IO[str]] = []
            for slot in range(QUARTERS):
                handle = (locks / f"{card}-{slot}.lock").open("a")
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken.append(handle)
                except BlockingIOError:
                    handle.close()
                if len(taken) == quarters:
                    for lock in taken:
                        held.enter_context(lock)
                    return card
            for lock in taken:  # not enough: let others have them, and look again
                lock.close()
        time.sleep(0.5)
