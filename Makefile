# Every target sets itself up from a bare clone; the second time it starts at once. PYTHON=python3.12 make test
# builds the environment with another interpreter.
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench bench-peers bench-race clean

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-peers
PEERS_READY := $(PEERS)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

help:
	@echo "make demo    learn sparse-view CT from sinograms alone, compare with baselines, write a report (minutes)"
	@echo "make test    lint, types, every test"
	@echo "make bench   time operators, training steps and imports beside DeepInverse and scikit-image, write docs/benchmarks.md"
	@echo "make bench-peers  only install DeepInverse in $(PEERS) (bench does it where it can)"
	@echo "make bench-race   test PSNR over 20 minutes beside DeepInverse's training (NULLSIGHT_DATA, two cores)"
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

$(PEERS_READY): benchmarks/peers/requirements.txt constraints.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt torch
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
		--requirement benchmarks/peers/requirements.txt
	@touch $@

bench-peers: $(PEERS_READY)

bench: $(READY)
	@$(MAKE) --silent bench-peers || echo "The peers cannot be installed here: only our own times follow."
	@for script in benchmarks/*.py; do echo "== $$script"; OMP_NUM_THREADS=1 $(BIN)/python $$script || exit 1; done

bench-race: $(READY) $(PEERS_READY)
	$(BIN)/python benchmarks/slow/time_to_quality.py
	$(BIN)/python benchmarks/write_page.py

clean:
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis
