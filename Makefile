# The commands people and CI run. Every one sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := $(VENV)/.demo
PARALLEL = --numprocesses $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)') --dist loadfile

unexport PYTHONDONTWRITEBYTECODE  # tests start many Pythons, and each would compile all anew

.PHONY: demo test lint format typecheck unit docs wheel stranger train bench plan-check constraints clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[embedded,eval,serve]' --group dev --group docs
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --no-deps trl  # real chat templates, for tests
	$(BIN)/python -m compileall -q --workers 0 $(VENV)/lib  # as pip would, on every core
	touch $@

$(DEMO): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with what the demo needs, and nothing else: a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[embedded]'
	touch $@

demo: $(if $(wildcard $(READY)),$(READY),$(DEMO))  ## solve held-out problems, step by step
	$(BIN)/rsd-graph demo

test: $(READY)  ## everything CI checks
	$(MAKE) --jobs 2 wheel lint typecheck
	$(MAKE) unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest $(PARALLEL)

.PHONY: oldest
oldest:  ## the suite with the oldest versions of everything that pyproject.toml allows
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python tests/wheel/oldest.py > .venv-oldest/constraints.txt
	.venv-oldest/bin/pip install --quiet --constraint .venv-oldest/constraints.txt --editable '.[embedded,eval,serve,parquet,otel]' \
		pytest pytest-asyncio pytest-xdist hypothesis gguf langgraph-checkpoint-sqlite opentelemetry-sdk fastapi httpx
	.venv-oldest/bin/pytest -W ignore::DeprecationWarning $(PARALLEL) --ignore tests/docs

docs: $(READY)  ## the documentation as a site, into site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(READY)  ## build the wheel and test it as installed, outside the source tree
	$(BIN)/python tests/wheel/check.py

stranger: $(READY)  ## the first hour of somebody new, with the wheel and nothing of ours
	$(BIN)/python tests/wheel/stranger.py

bench: $(READY)  ## latency and throughput against the paper's loop, into benchmarks/results
	$(BIN)/rsd-graph bench --out benchmarks/results

plan-check: $(READY)  ## rsd-graph plan beside the full simulation, at 20 random points
	$(BIN)/python benchmarks/planning.py

train:  ## train the shipped models anew: about two hours on two cores
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/pip install --quiet --editable '.[train,embedded]'
	PYTHON=.venv-train/bin/python ./training/train_all.sh runs

constraints: $(READY)  ## write down the versions that are installed
	@echo "# Versions every check runs with; regenerate with: make constraints" > constraints.txt
	$(BIN)/pip freeze --exclude-editable >> constraints.txt

.PHONY: screenshots
screenshots: $(READY)  ## the pictures of the viewer, into docs/screenshots; needs a Chromium
	$(BIN)/python -m tests.helpers.screenshots

.PHONY: test-live chaos mutate
test-live: $(READY)  ## the suite that needs real servers: installs and starts them (5 GB, minutes)
	$(BIN)/python tests/live/install.py .venv-live
	RSD_LIVE_VENV=.venv-live $(BIN)/pytest -m live tests/live

.PHONY: deploy-check
deploy-check:  ## deploy/ against the schemas of Kubernetes and Compose, and by kubectl and docker-compose where they are
	$(PYTHON) -m venv .venv-deploy
	.venv-deploy/bin/pip install --quiet kubernetes-validate==1.37.0 check-jsonschema==0.39.0
	.venv-deploy/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose*.yaml
	.venv-deploy/bin/kubernetes-validate -k 1.37 --strict deploy/kubernetes/batch-job.yaml
	! command -v kubectl || kubectl kustomize deploy/kubernetes > .venv-deploy/built.yaml
	! command -v kubectl || .venv-deploy/bin/kubernetes-validate -k 1.37 --strict .venv-deploy/built.yaml
	! command -v docker-compose || for file in deploy/compose*.yaml; do RSD_SERVE_API_KEYS=key docker-compose -f $$file config -q || exit 1; done

chaos: $(READY)  ## the long runs under faults and kills, into benchmarks/results/chaos.md: hours
	PYTHONMALLOC=pymalloc $(BIN)/python -X dev -W error -m tests.chaos faults 100000
	$(BIN)/python -m tests.chaos crashes 1000
	$(BIN)/python -m tests.chaos bodies 1000
	$(BIN)/pip install --quiet atheris==3.0.0
	$(BIN)/python -m tests.chaos fuzz 100000
	$(BIN)/python -m tests.chaos load 10

mutate: $(READY)  ## mutate the core and see whether a test notices: ten minutes on a quiet machine
	$(BIN)/pip install --quiet mutmut==3.8.1
	rm -rf mutants  # it keeps what it found, and does not see that a test has changed
	$(BIN)/mutmut run
	$(BIN)/python -m tests.chaos.mutation

clean:
	rm -rf $(VENV) dist site
