# Two commands matter: `make demo` and `make test`. Each sets up what it needs, alone and again.

# .venv keeps the Python that it was made with. `make test PYTHON=python3.13` makes and uses .venv-3.13 beside it.
PYTHON ?= $(shell for p in .venv/bin/python python3.11 python3.12 python3.13 python3; do \
  $$p -c 'import sys; exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
version = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ifeq ($(PYTHON),.venv/bin/python)
VENV := .venv
else
VENV := $(if $(filter-out $(call version,$(PYTHON)),$(call version,.venv/bin/python)),.venv-$(call version,$(PYTHON)),.venv)
endif
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DAGSTER_HOME := $(CURDIR)/.dagster
PORT ?= 3000

.DEFAULT_GOAL := help
.PHONY: cluster-demo help setup setup-run lock audit-packages demo test lint types unit ui up bench-distillation doors r4d-world clean

help:  ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# One file for each level of an environment: newer than the locks that it was made from.
LOCKS := pyproject.toml scripts/setup.sh $(wildcard requirements/*.txt)
setup: $(VENV)/.ready-dev  ## Make the environment, with all that `make test` needs
setup-run: $(if $(wildcard $(VENV)/.ready-dev),$(VENV)/.ready-dev,$(VENV)/.ready-run)  ## Make the environment without tools of developers

$(VENV)/.ready-%: $(LOCKS)
	@bash scripts/setup.sh "$(PYTHON)" "$(VENV)" $*
	@# DVC's state is private before the first `dvc` command, which may be a `dvc pull`.
	@python -c "from pathlib import Path; from p4d.versioning.dvc import cache; cache.ensure_initialised(Path.cwd())"
	@touch $@

.venv-tools/.ready: requirements/tools.txt
	@"$(PYTHON)" -m venv .venv-tools
	@.venv-tools/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/tools.txt
	@touch $@

lock: .venv-tools/.ready  ## Write requirements/*.txt after a change in pyproject.toml (UPGRADE=1: newest versions)
	@.venv-tools/bin/python -m scripts.lock $(if $(UPGRADE),--upgrade)

audit-packages: .venv-tools/.ready  ## Compare the locks with published advisories
	@for name in build run dev torch-cuda; do \
	  .venv-tools/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/$$name.txt || exit 1; done

demo: setup-run  ## From an empty checkout to a promoted student
	@python -m dagster_project demo --settings configs/demo.yaml

up: setup-run  ## Land new files and materialize whatever is not fresh
	@python -m dagster_project up

ui: setup-run  ## Dagster UI on loopback (PORT=3000)
	@python -m dagster_project ui --port $(PORT)

test: setup lint types unit  ## Everything that must hold

lint: setup
	@ruff check .
	@ruff format --check .
	@lint-imports --no-logo

types: setup
	@mypy

unit: setup
	@pytest

cluster-demo: setup  ## The demo's per-shard stages on three Ray nodes, over S3, with PostgreSQL; equal to a local run
	@python -c 'import ray' 2>/dev/null || { echo "cluster-demo needs Ray: pip install 'p4d[ray]' (240 MB)"; exit 1; }
	@python -m benchmarks.cluster demo

bench-distillation: setup-run  ## Compare SFT and P4D, within 60 minutes on two cores; MINUTES=600: all arms
	@python -m benchmarks.distillation $(if $(MINUTES),--minutes $(MINUTES)) $(if $(STEPS),--steps $(STEPS))

doors: setup  ## Each dataset's fixture to an export that its consumers load; benchmarks/results/doors.json
	@rm -rf benchmarks/.cache/doors
	@python -m benchmarks.doors journey --work benchmarks/.cache/doors
	@P4D_PROJECT=benchmarks/.cache/doors/journey/project python -m benchmarks.doors \
	  datasets teachers exports $(if $(wildcard benchmark_data/r4d-world),benchmark)

r4d-world: setup-run  ## Make the embedded benchmark in benchmark_data/r4d-world
	@p4d benchmark make benchmark_data/r4d-world

clean:  ## Remove everything the pipeline wrote (not the inbox, not the environment)
	@# A new ledger does not continue the old one: its branch is kept under another name.
	@if tip=$$(git rev-parse --quiet --verify --short=12 refs/heads/p4d-ledger 2>/dev/null); then \
	  git branch --quiet --force --move p4d-ledger "p4d-ledger-$$tip"; fi
	rm -rf data reports .dagster .p4d .staging dvc.lock .dvc/cache .dvc/tmp
	git checkout --quiet -- shards && git clean -fdq shards
