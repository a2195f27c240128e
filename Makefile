# make run     set everything up, then make results/all.tsv and results/report.html (CONFIG="profile=lite" for settings)
# make test    lint, then every test
# make bench   every benchmark of tests/benchmarks, or some: make bench BENCH=bench_render
# make lint    what needs no run: ruff, mypy, snakefmt
# make lock    resolve pyproject.toml anew into requirements.txt

PYTHON ?= python3
CORES ?= all
UV = 0.13.8
BIN = .venv/bin
INSTALLED = .venv/installed
BENCH = $(notdir $(basename $(wildcard tests/benchmarks/[a-z]*.py)))

.PHONY: run test bench lint lock
.DELETE_ON_ERROR:

run: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) $(if $(CONFIG),--config $(CONFIG))
	@echo "The table: results/all.tsv"
	@echo "The page of pictures: results/report.html"

test: lint
	$(BIN)/pytest -n auto --durations 15

bench: $(INSTALLED)
	set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python -m tests.benchmarks.$$name; done

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile

# Made once, and again when the lock file changes; an installation that was cut short goes on where it stopped.
# Bytecode is compiled here, because every start of Python would be twice as slow where it cannot be written later.
$(INSTALLED): requirements.txt | .venv/bin/uv
	$(BIN)/uv pip sync --compile-bytecode --python $(BIN)/python requirements.txt
	@touch $@

# --no-emit-index-url: the lock file holds names, versions and hashes, and no word of where they were found.
lock: | .venv/bin/uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --extra dev --no-emit-index-url pyproject.toml -o requirements.txt

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("error: Glimpse needs Python 3.11 or newer, but $(PYTHON) is %d.%d; name another one: make run PYTHON=python3.11" % v[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
