"""`python -m pipeline.train`: train one system and publish its weights."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pipeline.closure import code_digest, code_files
from pipeline.device import name_of, share
from pipeline.errors import UserError, run
from pipeline.job import read_job, stage_parser
from pipeline.manifest import Manifest, canonical, digest_text, digest_tree, input_digests, publish, read_manifest
from pipeline.scores import write_timing
from pipeline.segmenter import Segmenter, Synthesizer
from pipeline.system import build_system, packed, weights_file
from pipeline.train.batches import SplitBatches
from pipeline.train.feed import Shards
from pipeline.train.job import TrainJob
from pipeline.train.loop import train
from pipeline.train.shards import WithOracle, open_split
from pipeline.work import already_published, work_folder


def main() -> None:
    """Read the job, train, publish; under torchrun every rank runs this."""
    parser = stage_parser("train", "Train one system on one training set under one seed.", TrainJob)
    parser.add_argument("--gpu", type=int, choices=range(5), default=4, help="quarters of a card; 4 means alone")
    parser.add_argument("--image-cache", type=int, default=768, metavar="MIB", help="decoded images that are kept")
    arguments = parser.parse_args()
    job = read_job(parser, TrainJob, arguments)
    modules = [f"pipeline.render.{name}" for name in job.renderers.values()]
    code = code_digest(code_files("pipeline.train.__main__", f"plugins.{job.plugin}.model", *modules))
    shown = [path for fields in job.oracle.values() for path in fields.values()]
    inputs = input_digests(
        Path(path) for path in [*job.data.values(), *shown, *job.needs.values(), *job.pretrained.values()]
    )
    recipe = job.model_dump(mode="json")
    with share(job.device, arguments.gpu, job.threads) as device, _ranks(device) as first:
        start = time.monotonic()
        product = arguments.output.with_suffix("")
        with work_folder(product) if first else nullcontext(Path("work") / product) as work:
            if _agreed(already_published(arguments.output, recipe, code, inputs)):
                return
            model = _train(job, code, inputs, device, work, arguments.image_cache << 20)
            if first:
                _publish(model, work, arguments.output, recipe, code, inputs)
                write_timing(arguments.output, time.monotonic() - start, name_of(device))


@contextmanager
def _ranks(device: torch.device) -> Iterator[bool]:
    """Join the other ranks under torchrun; yield whether this is the first of them, or the only one."""
    if "WORLD_SIZE" not in os.environ:
        yield True
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield dist.get_rank() == 0
    finally:
        dist.destroy_process_group()


def _agreed(value: bool) -> bool:
    """What the first rank found, on every rank: the others may have looked before an orphan had published."""
    found = [value]
    if dist.is_initialized():
        dist.broadcast_object_list(found)
    return found[0]


def _publish(
    model: Segmenter | Synthesizer,
    work: Path,
    output: Path,
    recipe: dict[str, Any],
    code: str,
    inputs: dict[str, str | None],
) -> None:
    staged = work / "model"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    (staged / weights_file()).write_bytes(packed(model))
    for percent in recipe["snapshots"]:
        (staged / weights_file(percent)).parent.mkdir(exist_ok=True)
        os.link(work / weights_file(percent), staged / weights_file(percent))  # staged lies in work, on the same disk
    shutil.copyfile(work / "log.jsonl", staged / "log.jsonl")
    manifest = Manifest(
        kind="model",
        digest=digest_tree(staged),
        counts={
            "parameters": sum(p.numel() for p in model.parameters()),
            "samples": sum(s.samples for s in model.stages),
        },
        recipe=recipe,
        code=code,
        inputs=inputs,
        complete=all(read_manifest(Path(path)).complete for path in inputs.keys() - recipe["pretrained"].values()),
        notes={"weights": model.trunk},
    )
    publish(staged, output.with_suffix(""), manifest)


def _train(
    job: TrainJob, code: str, inputs: Mapping[str, str | None], device: torch.device, work: Path, image_cache: int
) -> Segmenter | Synthesizer:
    model = build_system(job.plugin, job.parameters, job.needs, job.seed, pretrained=job.pretrained, insist=job.insist)
    if not model.stages:
        raise UserError(
            f"plugins/{job.plugin}: plugin.yaml says trained, but build returned no stages; correct one of them"
        )
    train(
        model,
        SplitBatches(
            {name: _open(job, name) for name in job.data}, seed=job.seed, device=device, image_cache=image_cache
        ),
        work=work,
        digest=digest_text(canonical([job.model_dump(mode="json"), code, dict(inputs)])),
        seed=job.seed,
        device=device,
        dtype=getattr(torch, job.precision),
        compile=job.compile,
        snapshots=job.snapshots,
    )
    return model


def _open(job: TrainJob, name: str) -> tuple[Shards, Mapping[str, Any]]:
    split, attributes = open_split(Path(job.data[name]), job.renderers.get(name))
    shown = job.oracle.get(name, {})
    oracles = {field: open_split(Path(path), job.renderers.get(name))[0] for field, path in shown.items()}
    return WithOracle(split, oracles) if oracles else split, attributes


if __name__ == "__main__":
    run(main)
