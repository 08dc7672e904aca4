# Two commands do everything: `make demo` sets up and shows the tool at work, `make test` sets up and checks it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FUZZ_SECONDS ?= 600
PYTEST := $(BIN)/pytest -n 2 -q

.PHONY: help setup demo test check lint types layers unit whole docs wheel faults fuzz bench clean

help:
	@echo "make demo     set up, train real models in a scratch repository, show what the ledger says"
	@echo "make test     set up, lint, types, layers, all tests but the faults, wheel"
	@echo "make unit     the everyday tests, under a minute"
	@echo "make faults   kills, full disks, racing processes, and what else takes long"
	@echo "make fuzz     search for bytes that a reader does not refuse as it should, FUZZ_SECONDS=600 in all"
	@echo "make torch    live runs of PyTorch on a CPU; installs it first, 200 MB"
	@echo "make bench    speed and size, each beside a bare floor of the same run"
	@echo "make docs     write the generated parts of README.md and docs/ anew"
	@echo "make clean    remove what the others made"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	$(BIN)/python -m compileall -q ledger
	@touch $(STAMP)

setup: $(STAMP)

demo: setup
	$(BIN)/python docs/demo/demo.py

test: setup lint types layers whole wheel

check: lint types layers

lint: setup
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports --no-cache

unit: setup
	$(PYTEST)

whole: setup
	$(PYTEST) -m "not long and not faults and not bench and not torch" --hypothesis-profile=thorough

wheel: setup
	$(BIN)/python docs/check_wheel.py

docs: setup
	$(BIN)/python docs/generate.py

faults: setup
	$(PYTEST) -m "long and not faults"
	$(BIN)/pytest -q -s -m faults tests/faults

fuzz: setup
	$(BIN)/python -m pip install --quiet --group fuzz
	$(BIN)/python tests/fuzz/search.py $(FUZZ_SECONDS)

torch: setup
	$(BIN)/python -m pip install --quiet torch
	$(BIN)/pytest -q -m torch tests/real

bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist bench/results .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
