# The commands people and CI run. Every one sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint format typecheck unit wheel train constraints clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,eval]' --group dev
	touch $@

demo: $(READY)  ## solve held-out problems with the shipped models, step by step
	$(BIN)/rsd-graph demo

test: lint typecheck unit wheel  ## everything CI checks

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest

wheel: $(READY)  ## build the wheel and test it as installed, outside the source tree
	$(BIN)/python tests/wheel/check.py

constraints: $(READY)  ## write down the versions that are installed
	@echo "# Versions every check runs with; regenerate with: make constraints" > constraints.txt
	$(BIN)/pip freeze --exclude-editable >> constraints.txt

clean:
	rm -rf $(VENV) dist
