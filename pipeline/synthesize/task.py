"""One pair of a job, from its fitting to its samples on disk; many of them may run side by side."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import UserError
from pipeline.manifest import canonical, digest_text, write_atomic
from pipeline.pairs import Pair, PairFacts, Samples
from pipeline.synthesize.fit import failed, fit, sample
from pipeline.synthesize.job import SynthesizeJob
from pipeline.system import packed


def run_all(
    job: SynthesizeJob,
    pairs: Sequence[tuple[str, Pair | UserError]],
    *,
    digest: str,
    work: Path,
    device: torch.device,
    side: int,
    done: Callable[[int], None],
) -> None:
    """Fit and sample every pair (its name, and the pair or why it is none), `side` at a time in processes of their own.

    Calls `done` with the number of pairs after each. What is finished lies in `work`, a folder a pair, and is not made
    again under an equal `digest`. On a card the processes share it. `UserError` where a process dies.
    """
    tasks = [(job, name, pair, digest, work / str(number), device) for number, (name, pair) in enumerate(pairs)]
    if side == 1 or len(tasks) == 1:
        for number, task in enumerate(tasks, start=1):
            run_one(*task)
            done(number)
        return
    context = get_context("spawn" if device.type == "cuda" else "fork")
    with ProcessPoolExecutor(min(side, len(tasks)), mp_context=context) as pool:
        futures = [pool.submit(run_one, *task) for task in tasks]
        try:
            for number, future in enumerate(futures, start=1):
                future.result()
                done(number)
        except BrokenProcessPool:
            reason = "perhaps for want of memory: lower the setting side_by_side"
            raise UserError(f"a process that fitted a pair was killed, {reason}; the same command goes on") from None
        finally:
            pool.shutdown(cancel_futures=True)


def run_one(
    job: SynthesizeJob, name: str, pair: Pair | UserError, digest: str, work: Path, device: torch.device
) -> None:
    """Fit one pair and leave its samples and weights in `work`, or why that could not be."""
    torch.set_num_threads(job.threads)
    own = digest_text(canonical([digest, name]))
    if _finished(work, own):
        return
    try:
        if isinstance(pair, UserError):
            raise pair
        model = fit(
            job.plugin,
            job.parameters,
            [pair],
            work=work,
            digest=own,
            seed=job.seed,
            device=device,
            dtype=getattr(torch, job.precision),
            compile=job.compile,
        )
    except UserError as error:
        print(f"{name}: {error}", flush=True)
        _leave(work, own, failed(name, str(error)))
        return
    write_atomic(work / "weights.safetensors", packed(model))
    count = sum(parameter.numel() for parameter in model.parameters())
    _leave(work, own, sample(model, job.samples, job.seed, pair), trunk=model.trunk, parameters=count)
    (work / "checkpoint.pt").unlink(missing_ok=True)  # of no use any more, and large


def collected(work: Path, count: int) -> Iterator[tuple[Samples, dict[str, str]]]:
    """What the pairs' folders hold, in order: samples, and the trunk and the number of parameters of the model."""
    for number in range(count):
        folder = work / str(number)
        with np.load(folder / "samples.npz") as arrays:
            facts = PairFacts.model_validate_json(str(arrays["facts"]))
            notes = {"trunk": str(arrays["trunk"]), "parameters": str(arrays["parameters"])}
            yield Samples(facts, arrays["images"], arrays["masks"], arrays["kept"]), notes


def _finished(work: Path, digest: str) -> bool:
    if not (work / "samples.npz").exists():
        return False
    with np.load(work / "samples.npz") as arrays:
        if str(arrays["digest"]) == digest:
            return True
    shutil.rmtree(work)
    return False


def _leave(work: Path, digest: str, samples: Samples, trunk: str = "", parameters: int = 0) -> None:
    work.mkdir(parents=True, exist_ok=True)
    beside = work / f".samples.{os.getpid()}.npz"
    np.savez(
        beside,
        images=samples.images,
        masks=samples.masks,
        kept=samples.kept,
        facts=np.array(samples.facts.model_dump_json()),
        digest=np.array(digest),
        trunk=np.array(trunk),
        parameters=np.array(parameters),
    )
    beside.replace(work / "samples.npz")
