"""`python -m pipeline.synthesize`: fit a synthesizer to every pair of a data set, or to a pair of your own."""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from pipeline.closure import code_digest, code_files
from pipeline.device import name_of, share
from pipeline.errors import UserError, run
from pipeline.job import read_job, stage_parser
from pipeline.manifest import canonical, digest_text, input_digests, publish
from pipeline.progress import ProgressLine
from pipeline.scores import write_timing
from pipeline.synthesize.gather import gather
from pipeline.synthesize.given import read_pairs
from pipeline.synthesize.job import SynthesizeJob
from pipeline.synthesize.task import run_all
from pipeline.work import already_published, work_folder

OWN = ("--image", "--mask", "--pairs", "--weights")
"""Options of the other command: what is no job is a pair of the user's."""


def main() -> None:
    """Read the job, fit, sample, filter, publish; or hand over to `pipeline.synthesize.own`."""
    if any(argument.startswith(OWN) for argument in sys.argv[1:]):
        import_module("pipeline.synthesize.own").main()  # by name, so that no job depends on its code
        return
    parser = _parser()
    arguments = parser.parse_args()
    job = read_job(parser, SynthesizeJob, arguments)
    if arguments.side_by_side < 1:
        raise UserError(f"--side-by-side {arguments.side_by_side}: at least one pair is fitted at a time")
    code = code_digest(code_files("pipeline.synthesize.__main__", f"plugins.{job.plugin}.model"))
    inputs = input_digests(Path(path) for path in [job.data, *job.nets.values()])
    recipe = job.model_dump(mode="json")
    product = arguments.output.with_suffix("")
    with work_folder(product) as work, share(job.device, arguments.gpu, job.threads) as device:
        if already_published(arguments.output, recipe, code, inputs):
            return
        start = time.monotonic()
        found = list(read_pairs(Path(job.data), job.pairs))
        line = ProgressLine(f"{job.system} on {job.dataset}", len(found), 0, unit="pairs")
        run_all(
            job,
            found,
            digest=digest_text(canonical([recipe, code, inputs])),
            work=work,
            device=device,
            side=arguments.side_by_side,
            done=lambda number: line.show(number, {}),
        )
        staged, manifest = gather(job, found, work, device)
        publish(staged, product, manifest.model_copy(update={"recipe": recipe, "code": code, "inputs": inputs}))
        write_timing(arguments.output, time.monotonic() - start, name_of(device))


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("synthesize", "Fit one synthesizer to every pair of a data set.", SynthesizeJob)
    parser.add_argument("--gpu", type=int, choices=range(5), default=4, help="quarters of a card; 4 means alone")
    text = "pairs fitted at the same time, in processes of their own; the results do not depend on it"
    parser.add_argument("--side-by-side", type=int, default=1, metavar="N", help=text)
    parser.epilog = f"{parser.epilog} For a pair of your own: --image FILE --mask FILE; see --image FILE --help."
    return parser


if __name__ == "__main__":
    run(main)
