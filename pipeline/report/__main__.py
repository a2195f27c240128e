"""`python -m pipeline.report`: the table, the page, what is recorded of them, and why a row says what it says."""

import argparse
import json
from pathlib import Path

from pipeline.errors import UserError, run
from pipeline.job import parse
from pipeline.manifest import write_atomic, write_json
from pipeline.report.claims import Judgement, judge_all
from pipeline.report.gains import gains
from pipeline.report.job import ReportJob
from pipeline.report.row import Row, label, to_tsv
from pipeline.report.summary import summary
from pipeline.report.table import entries
from pipeline.report.why import chain


def main() -> None:
    """Run the command that the arguments name."""
    arguments = _parser().parse_args()
    if arguments.command == "why":
        print("\n".join(chain(arguments.table, arguments.row)))
        return
    job = read_job_file(arguments.job_file)
    if arguments.command == "table":
        write_table(job, arguments.output, arguments.system)
    elif arguments.command == "record":
        from pipeline.report.recorded import record

        print("\n".join(f"wrote {path}" for path in record(job, entries(job), arguments.note)))
    else:
        from pipeline.report.page import render  # imports matplotlib, which is slow, and the table needs none

        write_atomic(arguments.output, render(job))


def read_job_file(path: Path) -> ReportJob:
    """The job at `path`; hundreds of cells exceed what a shell takes as an argument."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"the job file {path} is missing: run snakemake, which writes it") from None
    except json.JSONDecodeError as error:
        raise UserError(f"the job file {path} is no JSON ({error}): delete it and run snakemake") from None
    return parse(ReportJob, values, str(path))


def write_table(job: ReportJob, output: Path, system: str | None) -> None:
    """Write all.tsv and, beside it, summary.json; or the rows of one system alone."""
    found = entries(job, system)
    rows = [entry.row for entry in found]
    if system is None:
        judged = judge_all(job, found)
        write_json(output.with_name("summary.json"), summary(rows, judged))
        _tell_claims(judged)
    write_atomic(output, to_tsv(rows))
    for gain in gains(found):
        print(gain.sentence)
    _tell(rows)


def _tell(rows: list[Row]) -> None:
    run_here = [row for row in rows if row.complete is not None]
    partial = [row for row in run_here if not row.complete]
    print(f"{len(rows)} rows: {len(run_here)} of ours, {len(rows) - len(run_here)} published and not run")
    if partial:
        print(f"{len(partial)} of ours are on a subset of the official data or on the built-in sample:")
        for row in partial:
            print(f"  {label(row)} on {row.dataset}/{row.split}, {row.metric}")


def _tell_claims(judged: dict[str, list[Judgement]]) -> None:
    for suite, judgements in judged.items():
        for each in judgements:
            print(f"{suite} claims {each.claim.name}: {each.verdict}" + f" ({each.why})" * bool(each.why))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.report", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="write the table of all cells, and summary.json beside it")
    page = commands.add_parser("page", help="write the page of pictures")
    record = commands.add_parser("record", help="keep the numbers of a real run in the recorded.tsv of their suites")
    for command in (table, page, record):
        command.add_argument("--job-file", type=Path, required=True, metavar="FILE", help="ReportJob as JSON")
    for command in (table, page):
        command.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file to write")
    table.add_argument("--system", metavar="NAME", help="only the rows of one system")
    record.add_argument("--note", default="", help="what sets the run apart, in words")
    why = commands.add_parser("why", help="print the chain of recipes behind a row")
    why.add_argument("row", nargs="+", help="words that select it: siamese_unet clutter-n32 iou split=test_one_shot")
    why.add_argument("--table", type=Path, default=Path("results/all.tsv"), metavar="FILE", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    run(main)
