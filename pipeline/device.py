"""The device of one job: which one, how it is shared between jobs, and what it is called."""

import fcntl
import os
import random
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
    if threads < 1:
        raise UserError(f"threads={threads}: a computation takes at least one")
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
    names = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
    with ExitStack() as held:
        index = lock_slots(names, max(1, quarters), locks, held)
        torch.cuda.set_device(index)
        yield torch.device("cuda", index)


def name_of(device: torch.device) -> str:
    """`cpu (2 threads)`, or the card's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''})"


def lock_slots(cards: list[str], quarters: int, locks: Path, held: ExitStack) -> int:
    """Wait for `quarters` free slots of one of `cards` (their UUIDs, equal on every node); return its index.

    The locks are kept by `held`, and die with the process.
    """
    locks.mkdir(parents=True, exist_ok=True)
    while True:
        for index, card in enumerate(cards):
            taken = [lock for slot in range(QUARTERS) if (lock := _try(locks / f"{card}-{slot}.lock")) is not None]
            for lock in taken[quarters:] if len(taken) >= quarters else taken:  # let others have what is of no use
                lock.close()
            if len(taken) >= quarters:
                for lock in taken[:quarters]:
                    held.enter_context(lock)
                return index
        time.sleep(0.2 + 0.3 * random.random())  # so that two who wait do not meet again


def _try(path: Path) -> IO[str] | None:
    """The file `path`, locked, or None where another process or job has it."""
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle
