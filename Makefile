# The commands people and CI run. Every one sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint format typecheck unit docs wheel train bench constraints clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,eval,serve]' --group dev --group docs
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
	$(BIN)/pytest --numprocesses auto --dist loadfile

docs: $(READY)  ## the documentation as a site, into site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(READY)  ## build the wheel and test it as installed, outside the source tree
	$(BIN)/python tests/wheel/check.py

bench: $(READY)  ## latency and throughput against the paper's loop, into benchmarks/results
	$(BIN)/rsd-graph bench --out benchmarks/results

train:  ## train the shipped models anew: about two hours on two cores
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/pip install --quiet --editable '.[train,embedded]'
	PYTHON=.venv-train/bin/python ./training/train_all.sh runs

constraints: $(READY)  ## write down the versions that are installed
	@echo "# Versions every check runs with; regenerate with: make constraints" > constraints.txt
	$(BIN)/pip freeze --exclude-editable >> constraints.txt

.PHONY: test-live
test-live: $(READY)  ## the suite that needs real servers: installs and starts them (5 GB, minutes)
	$(BIN)/python tests/live/install.py .venv-live
	RSD_LIVE_VENV=.venv-live $(BIN)/pytest -m live tests/live

clean:
	rm -rf $(VENV) dist site
