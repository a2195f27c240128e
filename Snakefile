# Glimpse: from raw data to one table. `snakemake --cores all` makes results/all.tsv and results/report.html.
# Settings stand in params.yaml; override any of them with --config. pipeline/plan.py works out the jobs.
import os
import sys

sys.path.insert(0, workflow.basedir)
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]

from pipeline.launch import announce
from pipeline.plan import NAME, Plan, count_gpus
from pipeline.snakefile import forget_dead_runs, or_exit, require_records

forget_dead_runs()
plan = or_exit(Plan.load, config)
or_exit(require_records, ["results/all.tsv", *(path for stage in plan.jobs for path in plan.outputs(stage))])
cards = count_gpus()
workflow.global_resources.setdefault("gpu", 4 * max(1, cards))
for folder in ("data/raw", "data/textures", "data/episodes", "data/synthetic", "models", "results"):
    os.makedirs(folder, exist_ok=True)


def job(stage, pattern):
    """The job that writes `pattern`, once its wildcards are known."""
    return lambda wildcards: or_exit(plan.find, stage, pattern.format(**wildcards))


def gpu(stage, pattern):
    """Quarters of a card, where there is one."""
    return lambda wildcards: job(stage, pattern)(wildcards).gpu if cards else 0


RAW = "data/raw/{origin}/{source}"
TEXTURES = "data/textures/{profile}/{bank}"
EPISODES = "data/episodes/{profile}/{dataset}/{split}"
PAIRS = "data/synthetic/{profile}/{system}/{dataset}/seed{seed}"
MODEL = "models/{profile}/{system}/{trained_on}/seed{seed}"
SCORES = "results/scores/{profile}/{system}/{trained_on}/{tested_on}/{augmentation}/seed{seed}"


wildcard_constraints:
    **dict.fromkeys("origin source profile bank dataset split system trained_on tested_on augmentation".split(), NAME),
    seed=r"\d+",


onstart:  # not of a dry run
    announce(workflow.local_exec)
    # A limit of jobs a second would have Snakemake look for work once a second more for every job that has ended.
    workflow.scheduler.job_rate_limiter = None


# On a cluster these run where Snakemake does: its nodes may see no network, and a table takes no time.
localrules:
    fetch_source,
    write_table,
    write_system_table,
    write_page,


# Targets: one a stage, the whole, and one system alone (results/systems/<system>.tsv).


rule all:
    input:
        "results/all.tsv",
        "results/report.html",


rule download:
    input:
        plan.outputs("download"),


rule texturize:
    input:
        plan.outputs("texturize"),


rule render:
    input:
        plan.outputs("render"),


rule train:
    input:
        plan.outputs("train"),


rule synthesize:
    input:
        plan.outputs("synthesize"),


rule evaluate:
    input:
        plan.outputs("evaluate"),


rule report:
    input:
        rules.all.input,


# Units of work. What goes through pipeline.launch may run in a process forked elsewhere: `benchmark` then holds its
# seconds, but not its memory.


rule fetch_source:
    input:
        code=lambda w: job("download", RAW + ".json")(w).code,
    output:
        manifest=RAW + ".json",
        folder=directory(RAW),
    params:
        job=lambda w: job("download", RAW + ".json")(w).json,
    log:
        "logs/download/{origin}/{source}.log",
    benchmark:
        "logs/download/{origin}/{source}.benchmark.tsv"
    conda:
        "envs/cpu.yaml"
    threads: 1
    shell:
        "python -m pipeline.download --job {params.job:q} --output {output.manifest} --mirror={plan.settings.mirror:q} > {log} 2>&1"


rule texturize_bank:
    input:
        manifests=lambda w: job("texturize", TEXTURES + ".json")(w).manifests,
        products=lambda w: [ancient(p) for p in job("texturize", TEXTURES + ".json")(w).products],
        code=lambda w: job("texturize", TEXTURES + ".json")(w).code,
    output:
        manifest=TEXTURES + ".json",
        store=directory(TEXTURES + ".zarr"),
    params:
        job=lambda w: job("texturize", TEXTURES + ".json")(w).json,
    log:
        "logs/texturize/{profile}/{bank}.log",
    benchmark:
        "logs/texturize/{profile}/{bank}.benchmark.tsv"
    conda:
        "envs/gpu.yaml" if cards else "envs/cpu.yaml"
    threads: plan.settings.threads
    resources:
        gpu=gpu("texturize", TEXTURES + ".json"),
    shell:
        "python -m pipeline.launch texturize --job {params.job:q} --output {output.manifest} --threads {threads} --gpu {resources.gpu} > {log} 2>&1"


rule render_split:
    input:
        manifests=lambda w: job("render", EPISODES + ".json")(w).manifests,
        products=lambda w: [ancient(p) for p in job("render", EPISODES + ".json")(w).products],
        code=lambda w: job("render", EPISODES + ".json")(w).code,
    output:
        manifest=EPISODES + ".json",
        store=directory(EPISODES + ".zarr"),
    params:
        job=lambda w: job("render", EPISODES + ".json")(w).json,
    log:
        "logs/render/{profile}/{dataset}/{split}.log",
    benchmark:
        "logs/render/{profile}/{dataset}/{split}.benchmark.tsv"
    conda:
        "envs/cpu.yaml"
    threads: plan.settings.threads
    shell:
        "python -m pipeline.launch render --job {params.job:q} --output {output.manifest} --threads {threads} > {log} 2>&1"


rule train_system:
    input:
        manifests=lambda w: job("train", MODEL + ".json")(w).manifests,
        products=lambda w: [ancient(p) for p in job("train", MODEL + ".json")(w).products],
        code=lambda w: job("train", MODEL + ".json")(w).code,
    output:
        manifest=MODEL + ".json",
        folder=directory(MODEL),
    params:
        job=lambda w: job("train", MODEL + ".json")(w).json,
    log:
        "logs/train/{profile}/{system}/{trained_on}/seed{seed}.log",
    benchmark:
        "logs/train/{profile}/{system}/{trained_on}/seed{seed}.benchmark.tsv"
    conda:
        "envs/gpu.yaml" if cards else "envs/cpu.yaml"
    threads: lambda w: job("train", MODEL + ".json")(w).threads
    resources:
        gpu=gpu("train", MODEL + ".json"),
    shell:
        "{plan.launcher} -m pipeline.launch train --job {params.job:q} --output {output.manifest} --gpu {resources.gpu} --image-cache {plan.settings.image_cache} > {log} 2>&1"


rule fit_pairs:
    input:
        manifests=lambda w: job("synthesize", PAIRS + ".json")(w).manifests,
        products=lambda w: [ancient(p) for p in job("synthesize", PAIRS + ".json")(w).products],
        code=lambda w: job("synthesize", PAIRS + ".json")(w).code,
    output:
        manifest=PAIRS + ".json",
        folder=directory(PAIRS),
    params:
        job=lambda w: job("synthesize", PAIRS + ".json")(w).json,
    log:
        "logs/synthesize/{profile}/{system}/{dataset}/seed{seed}.log",
    benchmark:
        "logs/synthesize/{profile}/{system}/{dataset}/seed{seed}.benchmark.tsv"
    conda:
        "envs/gpu.yaml" if cards else "envs/cpu.yaml"
    threads: lambda w: job("synthesize", PAIRS + ".json")(w).threads
    resources:
        gpu=gpu("synthesize", PAIRS + ".json"),
    shell:
        "python -m pipeline.launch synthesize --job {params.job:q} --output {output.manifest} --gpu {resources.gpu} --side-by-side {plan.settings.side_by_side} > {log} 2>&1"


rule evaluate_system:
    input:
        manifests=lambda w: job("evaluate", SCORES + ".json")(w).manifests,
        products=lambda w: [ancient(p) for p in job("evaluate", SCORES + ".json")(w).products],
        code=lambda w: job("evaluate", SCORES + ".json")(w).code,
    output:
        scores=SCORES + ".json",
        pictures=SCORES + ".npz",
    params:
        job=lambda w: job("evaluate", SCORES + ".json")(w).json,
    log:
        "logs/evaluate/{profile}/{system}/{trained_on}/{tested_on}/{augmentation}/seed{seed}.log",
    benchmark:
        "logs/evaluate/{profile}/{system}/{trained_on}/{tested_on}/{augmentation}/seed{seed}.benchmark.tsv"
    conda:
        "envs/gpu.yaml" if cards else "envs/cpu.yaml"
    threads: lambda w: job("evaluate", SCORES + ".json")(w).threads
    resources:
        gpu=gpu("evaluate", SCORES + ".json"),
    shell:
        "python -m pipeline.launch evaluate --job {params.job:q} --output {output.scores} --gpu {resources.gpu} --image-cache {plan.settings.image_cache} --feature-cache {plan.settings.feature_cache} --timed {plan.settings.timed} --timed-seconds {plan.settings.timed_seconds} > {log} 2>&1"


rule write_table:
    input:
        scores=plan.scores,
        suites=plan.suite_data(),
        code=plan.code("pipeline.report.__main__", "pipeline.report.table"),
    output:
        table="results/all.tsv",
        summary="results/summary.json",
    params:
        job=or_exit(plan.report_job),
    log:
        "logs/report/table.log",
    benchmark:
        "logs/report/table.benchmark.tsv"
    conda:
        "envs/cpu.yaml"
    threads: 1
    shell:
        "python -m pipeline.report table --job-file {params.job} --output {output.table} > {log} 2>&1"


rule write_system_table:
    input:
        scores=lambda w: or_exit(plan.scores_of, w.system),
        suites=plan.suite_data(),
        code=plan.code("pipeline.report.__main__", "pipeline.report.table"),
    output:
        table="results/systems/{system}.tsv",
    params:
        job=or_exit(plan.report_job),
    log:
        "logs/report/systems/{system}.log",
    benchmark:
        "logs/report/systems/{system}.benchmark.tsv"
    conda:
        "envs/cpu.yaml"
    threads: 1
    shell:
        "python -m pipeline.report table --job-file {params.job} --system {wildcards.system} --output {output.table} > {log} 2>&1"


rule write_page:
    input:
        table="results/all.tsv",
        scores=plan.scores,
        models=plan.outputs("train"),
        pairs=plan.outputs("synthesize"),
        sources=plan.outputs("download"),
        banks=plan.outputs("texturize"),
        suites=plan.suite_data(),
        code=plan.code("pipeline.report.__main__", "pipeline.report.page"),
        template="pipeline/report/page.html.j2",
    output:
        page="results/report.html",
    params:
        job=or_exit(plan.report_job),
    log:
        "logs/report/page.log",
    benchmark:
        "logs/report/page.benchmark.tsv"
    conda:
        "envs/cpu.yaml"
    threads: 1
    shell:
        "python -m pipeline.report page --job-file {params.job} --output {output.page} > {log} 2>&1"
