"""`python -m pipeline.download`: make one source, or `--check` what would be fetched from where."""

import os
import shutil
import time
from importlib import import_module
from pathlib import Path

from pipeline.closure import code_digest, code_files
from pipeline.download.job import DownloadJob, Outcome, code_modules
from pipeline.errors import UserError, run
from pipeline.job import read_job, stage_parser
from pipeline.manifest import Manifest, manifest_of, publish, read_manifest
from pipeline.scores import write_timing
from pipeline.work import already_published, work_folder


def main() -> None:
    """Read the command line and do what it asks."""
    parser = stage_parser(
        "download", "Fetch, verify and unpack a source, or generate its built-in sample.", DownloadJob
    )
    parser.add_argument(
        "--mirror",
        default="",
        metavar="FOLDER_OR_URL",
        help="where a mirror.yaml lies; empty means $GLIMPSE_MIRROR, then the network",
    )
    parser.add_argument("--check", action="store_true", help="tell for every source what would be fetched from where")
    arguments = parser.parse_args()
    mirror = arguments.mirror or os.environ.get("GLIMPSE_MIRROR", "")
    # Loaded by name, as all that only some jobs need: it must not enter the import closure of the others.
    if arguments.check:
        import_module("pipeline.download.check").check(mirror)
        return
    download(read_job(parser, DownloadJob, arguments), arguments.output, mirror)


def download(job: DownloadJob, output: Path, mirror: str) -> None:
    """Make the source of `job`: the folder beside the manifest `output`, then the manifest.

    The mirror is no part of the job: a path of one machine must not make anything run again on another.
    """
    started = time.monotonic()
    product = output.with_suffix("")
    if manifest_of(product) != output:
        raise UserError(f"the output '{output}' must be a manifest, data/raw/{job.origin}/{job.source}.json")
    code = code_digest(code_files(*code_modules(job)))
    recipe = job.model_dump(mode="json")
    with work_folder(product) as work:
        if already_published(output, recipe, code, {}) and product.is_dir() and read_manifest(output).available:
            print(f"{product} is there already", flush=True)
        else:
            staged = work / "staged"
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir()
            try:
                outcome = import_module(f"pipeline.download.{job.origin}").make(job, staged, work, mirror)
                publish(staged, product, _manifest(outcome, staged, recipe, code))
            except OSError as error:
                error.filename = error.filename or str(work)  # a write that fails does not say where
                raise
            finally:
                shutil.rmtree(staged, ignore_errors=True)
            write_timing(output, time.monotonic() - started, "cpu")


def _manifest(outcome: Outcome, staged: Path, recipe: dict[str, object], code: str) -> Manifest:
    sizes = [path.stat().st_size for path in staged.rglob("*") if path.is_file()]
    return Manifest(
        kind="source",
        digest=outcome.digest,
        counts={"files": len(sizes), "bytes": sum(sizes)},
        recipe=recipe,
        code=code,
        complete=outcome.complete,
        available=outcome.available,
        notes=outcome.notes,
    )


if __name__ == "__main__":
    run(main)
