# Two commands matter: `make demo` and `make test`. Each sets up what it needs, alone and again.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DAGSTER_HOME := $(CURDIR)/.dagster
PORT ?= 3000

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types unit ui up bench bench-distillation r4d-world clean

help:  ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/.ready  ## Make the environment (Python 3.11, packages, rendering libraries)

.venv/.ready: pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh "$(PYTHON)"
	@# DVC's state is private before the first `dvc` command, which may be a `dvc pull`.
	@python -c "from pathlib import Path; from p4d.versioning.dvc import cache; cache.ensure_initialised(Path.cwd())"
	@touch $@

demo: setup  ## From an empty checkout to a promoted student
	@python -m dagster_project demo

up: setup  ## Land new files and materialize whatever is not fresh
	@python -m dagster_project up

ui: setup  ## Dagster UI on loopback (PORT=3000)
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

bench: setup  ## Measure; results land in benchmarks/results/
	@python -m benchmarks.speed.overview

bench-distillation: setup  ## Compare SFT and P4D, 50 to 70 minutes on two cores; MINUTES=270: all arms
	@python -m benchmarks.distillation $(if $(MINUTES),--minutes $(MINUTES)) $(if $(STEPS),--steps $(STEPS))

r4d-world: setup  ## Make the embedded benchmark in benchmark_data/r4d-world
	@p4d benchmark make benchmark_data/r4d-world

clean:  ## Remove everything the pipeline wrote (not the inbox, not the environment)
	@# A new ledger does not continue the old one: its branch is kept under another name.
	@if tip=$$(git rev-parse --quiet --verify --short=12 refs/heads/p4d-ledger 2>/dev/null); then \
	  git branch --quiet --force --move p4d-ledger "p4d-ledger-$$tip"; fi
	rm -rf data reports .dagster .p4d .staging dvc.lock .dvc/cache .dvc/tmp
	git checkout --quiet -- shards && git clean -fdq shards
