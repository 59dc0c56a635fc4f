# Every target sets itself up from a bare clone; the second time it starts at once. PYTHON=python3.12 make test
# builds the environment with another interpreter.
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench clean

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

help:
	@echo "make demo    learn sparse-view CT from sinograms alone, compare with baselines, write a report (minutes)"
	@echo "make test    lint, types, every test"
	@echo "make bench   run every script in benchmarks/: time projections and rotations (one thread, a minute or two)"
	@echo "make setup   only create $(VENV) and install (done by the others where needed)"
	@echo "make clean   remove $(VENV) and caches"

# torch comes first and pinned: a looser one pulls several GB in an empty environment
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	@touch $@

setup: $(READY)

demo: $(READY)
	$(BIN)/nullsight demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

bench: $(READY)
	@for script in benchmarks/*.py; do echo "== $$script"; OMP_NUM_THREADS=1 $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
