"""`python -m pipeline.texturize`: make one bank of textures from a folder of photos, and publish it."""

import os
import shutil
import time
from importlib import import_module
from pathlib import Path

from pipeline.closure import code_digest, code_files
from pipeline.errors import UserError, run
from pipeline.job import read_job, stage_parser
from pipeline.manifest import Manifest, canonical, digest_tree, input_digests, publish, read_manifest
from pipeline.progress import ProgressLine
from pipeline.render.write import write_store
from pipeline.scores import write_timing
from pipeline.texturize.job import BankJob, code_modules
from pipeline.texturize.photos import find_photos
from pipeline.texturize.shelf import Shelf
from pipeline.work import already_published, work_folder


def main() -> None:
    """Read the job, make the textures that are not yet there, publish."""
    parser = stage_parser("texturize", "Make one bank of textures.", BankJob)
    cores = len(os.sched_getaffinity(0))
    text = f"textures made at the same time on a CPU, here {cores} by default; the bytes do not depend on it"
    parser.add_argument("--threads", type=int, default=cores, metavar="N", help=text)
    parser.add_argument("--gpu", type=int, choices=range(5), default=4, help="quarters of a card; 4 means alone")
    arguments = parser.parse_args()
    job = read_job(parser, BankJob, arguments)
    product = arguments.output.with_suffix(".zarr")
    with work_folder(product) as work:
        recipe = job.model_dump(mode="json")
        code = code_digest(code_files(*code_modules(job.synthesis is not None)))
        inputs = input_digests(Path(path) for path in (job.photos, job.weights) if path)
        if product.exists() and already_published(arguments.output, recipe, code, inputs):
            return
        start = time.monotonic()
        shelf = _shelf(job, work, canonical({"recipe": recipe, "code": code, "inputs": inputs}))
        maker = import_module(code_modules(job.synthesis is not None)[1])
        outcome = maker.fill(job, shelf, arguments.threads, arguments.gpu)
        staged = write_store(shelf.renderer(outcome.attributes), shelf.made, work=work, recipe=shelf.recipe, threads=1)
        manifest = Manifest(
            kind="store",
            digest=digest_tree(staged),
            counts={"textures": shelf.made, "left_out": len(shelf.left_out)},
            recipe=recipe,
            code=code,
            inputs=inputs,
            complete=read_manifest(Path(job.photos)).complete and not shelf.left_out,
            notes={**outcome.attributes, "converted": shelf.converted, "left_out": shelf.left_out},
        )
        publish(staged, product, manifest)
        shelf.clear()
        shutil.rmtree(work / "done", ignore_errors=True)
        write_timing(arguments.output, time.monotonic() - start, outcome.device)


def _shelf(job: BankJob, work: Path, recipe: str) -> Shelf:
    found = read_manifest(Path(job.photos))
    if not found.available:
        reason = found.notes.get("reason", "it could not be had")
        raise UserError(f"the bank '{job.bank}' needs {job.photos} ({reason}); give a mirror that holds its photos")
    photos = find_photos(Path(job.photos).with_suffix(""))
    line = ProgressLine(job.bank, len(photos), 0, unit="textures")
    return Shelf(work, photos, job.side, synthesized=job.synthesis is not None, recipe=recipe, line=line)


if __name__ == "__main__":
    run(main)
