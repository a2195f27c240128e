"""`python -m pipeline.render`: turn raw sources into the episodes of one split, and publish them."""

import os
import shutil
import time
from pathlib import Path
from typing import Literal

from pipeline.closure import code_digest, code_files
from pipeline.errors import UserError, run
from pipeline.gallery import write_gallery
from pipeline.job import read_job, stage_parser
from pipeline.manifest import Manifest, canonical, digest_tree, input_digests, publish, read_manifest
from pipeline.progress import ProgressLine
from pipeline.render.job import RenderJob
from pipeline.render.renderer import Renderer, Streamable, make_gallery, make_renderer
from pipeline.render.stream import write_stream
from pipeline.render.write import write_store
from pipeline.scores import write_timing
from pipeline.table import Table
from pipeline.work import already_published, work_folder


def main() -> None:
    """Read the job, render, publish."""
    parser = stage_parser("render", "Render one split of one data set as episodes.", RenderJob)
    cores = len(os.sched_getaffinity(0))
    text = f"shards rendered at the same time, here {cores} by default; the bytes do not depend on it"
    parser.add_argument("--threads", type=int, default=cores, metavar="N", help=text)
    arguments = parser.parse_args()
    job = read_job(parser, RenderJob, arguments)
    product = arguments.output.with_suffix(".zarr")
    with work_folder(product) as work:
        recipe = job.model_dump(mode="json")
        code = code_digest(code_files("pipeline.render.__main__", f"pipeline.render.{job.renderer}"))
        inputs = input_digests(Path(path) for path in job.sources.values())
        if product.exists() and already_published(arguments.output, recipe, code, inputs):
            return
        start = time.monotonic()
        settled = canonical({"recipe": recipe, "code": code, "inputs": inputs})
        kind, staged, counts = _rendered(job, work, settled, arguments.threads)
        manifest = Manifest(
            kind=kind,
            digest=digest_tree(staged),
            counts=counts,
            recipe=recipe,
            code=code,
            inputs=inputs,
            complete=all(read_manifest(Path(p)).complete for name, p in job.sources.items() if name not in job.spare),
        )
        publish(staged, product, manifest)
        shutil.rmtree(work / "done", ignore_errors=True)
        write_timing(arguments.output, time.monotonic() - start, f"cpu ({arguments.threads} threads)")


def _rendered(
    job: RenderJob, work: Path, settled: str, threads: int
) -> tuple[Literal["gallery", "stream", "store"], Path, dict[str, int]]:
    """What was made, where it lies, and its counts."""
    sources = _sources(job)
    if job.episodes is None:
        gallery = make_gallery(job.renderer, sources=sources, parameters=job.parameters)
        write_gallery(work / "store.zarr", gallery)
        return "gallery", work / "store.zarr", {"images": len(gallery.names), **gallery.facts}
    renderer = make_renderer(job.renderer, split=job.split, sources=sources, parameters=job.parameters)
    # How many episodes a gallery gives depends on how much of it is there: fewer are no mistake.
    wanted = min(job.episodes, renderer.length) if isinstance(renderer, Table) else job.episodes
    if not 1 <= wanted <= renderer.length:
        asked = f"{job.dataset}/{job.split} has {renderer.length} episodes, but {wanted} are asked for"
        raise UserError(f"{asked}: {'lower' if wanted > 1 else 'raise'} the setting budget")
    counts = {"episodes": wanted, **renderer.facts}
    if job.stream:
        return "stream", _stream(job, renderer, work), counts
    return "store", _store(job, renderer, wanted, work, settled, threads), counts


def _sources(job: RenderJob) -> dict[str, Path]:
    sources = {}
    for name, path in job.sources.items():
        found = read_manifest(Path(path))
        if not found.available and job.episodes is None:
            continue  # a gallery takes what is there, and is not complete then
        if not found.available:
            reason = found.notes.get("reason", "it could not be had")
            raise UserError(f"{job.dataset} needs the source '{name}' ({reason}); give a mirror that holds it")
        sources[name] = Path(path).with_suffix(".zarr" if found.kind in ("store", "gallery") else "")
    return sources


def _store(job: RenderJob, renderer: Renderer, episodes: int, work: Path, settled: str, threads: int) -> Path:
    line = ProgressLine(f"{job.dataset}/{job.split}", episodes, 0)
    return write_store(
        renderer,
        episodes,
        work=work,
        recipe=settled,
        threads=threads,
        report=lambda done: line.show(done, {}),
    )


def _stream(job: RenderJob, renderer: Renderer, work: Path) -> Path:
    if not isinstance(renderer, Streamable):
        raise UserError(f"the renderer '{job.renderer}' cannot be streamed: set stream=false")
    staged = work / "store.zarr"
    shutil.rmtree(staged, ignore_errors=True)
    banks = {name: path for name, path in job.sources.items() if read_manifest(Path(path)).kind == "store"}
    digests = {name: read_manifest(Path(path)).digest for name, path in banks.items()}
    recipe = {"split": job.split, "parameters": job.parameters, "episodes": job.episodes}
    recipe |= {"banks": banks, "digests": digests} if banks else {}
    write_stream(staged, renderer.bank(), {**renderer.layout.attributes, **recipe})
    return staged


if __name__ == "__main__":
    run(main)
