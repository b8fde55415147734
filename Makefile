# make demo: the sample campaign against the bundled sandbox, killed half way and resumed.
# make test: linters' friends aside, everything that proves the program.
# make test FAST=1: the same without what takes long (simulation, exact pacing, faults of machines and networks, workers …).
# make bench: how fast it is, into docs/performance.md (Linux, a C compiler; half an hour).
# make bench ONLY=endurance: an hour at full speed; memory, files and tasks stay flat.
# make screenshots: the pictures of terminal and dashboard in docs/images, from the real program (chromium).
# make soak SOAK=1000: kill the real runner so many times per API version, and while people answer, and count.
# make soak-workers ROUNDS=40: kill, freeze and cut off real workers, and crash their database.
# Both need Python 3.11+ and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Three for each processor: most tests wait for other processes most of the time.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) '*' 3)
SOAK ?= 50
ROUNDS ?= 4

.PHONY: help setup demo test soak soak-workers bench screenshots lint format check clean

help:
	@sed -n 's/^# make /make /p' Makefile
	@echo "make lint: ruff, mypy, import contracts, dead code"

# The program alone.
$(BIN)/run-campaign: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "run-campaign needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $(BIN)/run-campaign

# The program with all that tests and linters need.
$(VENV)/.dev: pyproject.toml constraints.txt $(BIN)/run-campaign
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/.dev

setup: $(VENV)/.dev

demo: $(BIN)/run-campaign
	$(BIN)/run-campaign demo

# Every test starts processes: what they import is compiled once, whatever this shell has set.
test: setup
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations 12 $(if $(FAST),--ignore tests/slow -m 'not slow')

screenshots: setup
	$(BIN)/python -m tests.screenshots
	$(BIN)/python -m tests.screenshots_dashboard

soak: setup
	$(BIN)/python -m tests.soak --version v2 --kills $(SOAK) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.soak --version v1 --kills $(SOAK) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.soak_replies --kills $(SOAK) $(if $(SEED),--seed $(SEED))

soak-workers: setup
	$(BIN)/python -m tests.soak_workers --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

# What the benchmarks need beyond that.
$(VENV)/.bench: pyproject.toml constraints.txt $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@touch $(VENV)/.bench

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ONLY) $(BENCH)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/vulture runner

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
