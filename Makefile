# The two commands to start with: `make demo` and `make test`. Everything happens in .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
DEMO   := runs/demo
FAULTS := tests/faults tests/unit/envs/test_failures.py tests/unit/envs/test_time_limits.py tests/unit/envs/test_workers.py tests/unit/runs/test_power.py \
          tests/unit/test_damaged_runs.py tests/unit/training/test_failing_envs.py

.PHONY: help setup demo test test-slow test-faults check format lint types bench bench-quick wheel clean

help:             ## Show the commands
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

setup: $(VENV)/installed  ## Make .venv with maxent and what videos need in it

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'maxent needs Python 3.11 or newer: make PYTHON=python3.12 ...'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt -e '.[video]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup       ## Train 4 seeds of SAC on Pendulum-v1, evaluate them, and say where everything is
	@rm -rf $(DEMO)
	$(BIN)/maxent train Pendulum-v1 --seeds 4 --run-dir $(DEMO)
	$(BIN)/maxent eval $(DEMO) --episodes 50
	@echo; echo "Learning curve: $(DEMO)/curve.png   metrics: $(DEMO)/metrics.csv   policies: $(DEMO)/best, $(DEMO)/last"

test: $(VENV)/installed-dev  ## Run the tests
	$(BIN)/python -m pytest -n 2 -m 'not slow' --cov --cov-report=term:skip-covered --cov-fail-under=90

test-slow: $(VENV)/installed-dev  ## Run the learning and fault suites (long)
	$(BIN)/python -m pytest -m slow

test-faults: $(VENV)/installed-dev  ## Kill, interrupt and starve runs, lose power, and mutate their files (about half an hour)
	$(BIN)/python -m pytest $(FAULTS)

check: lint types test  ## Formatter, linter, type checker and tests: what CI runs

format: $(VENV)/installed-dev  ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

bench: setup .venv-peers/installed  ## Measure speed beside Stable-Baselines3 and SBX (quiet machine, about half an hour)
	$(BIN)/python benchmarks/speed

bench-quick: setup .venv-peers/installed  ## The short form: ratios in under 3 minutes, nothing written
	$(BIN)/python benchmarks/speed --quick

.venv-peers/installed: benchmarks/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

wheel: $(VENV)/installed-dev  ## Build a wheel with own layers for AVX2 and AVX-512, which needs no compiler where it is installed
	MAXENT_WHEEL_LAYERS=1 $(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:            ## Remove the environments and caches, keep runs/
	rm -rf $(VENV) .venv-* .pytest_cache .mypy_cache .ruff_cache .coverage
