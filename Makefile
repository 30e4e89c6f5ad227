# Every target installs what it needs. PYTHON names the interpreter for a new environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONTAINERS ?= docker
IMAGE ?= imagebeam
SECONDS ?= 3600
KILLS ?= 1000
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test pythons check docs fuzz chaos peers bench tools image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/tests-ready ## install everything: the package, TensorFlow, tests and checks

demo: $(VENV)/demo-ready ## label the sample archive with the embedded module, without TensorFlow
	$(BIN)/imagebeam demo

test: $(VENV)/tests-ready ## run the fast tests
	$(BIN)/pytest -n auto -m "not slow"

pythons: ## run the fast tests with every other Python on this machine, without TensorFlow
	.ci/pythons

check: $(VENV)/tests-ready ## run the linter, the formatter and the type checker
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/tests-ready ## build the documentation as a site
	$(BIN)/mkdocs build --quiet --strict

fuzz: $(VENV)/tests-ready ## feed damaged inputs for an hour, or `make fuzz SECONDS=60`
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

chaos: $(VENV)/tests-ready ## disturb commands at random moments and repeat them, or `make chaos KILLS=30`
	$(BIN)/python -m tests.faults.chaos --kills $(KILLS) --seed $(SEED)

peers: ## install the peers that benchmarks compare with, in a separate environment
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --requirement benchmarks/peers/requirements.txt

# A peer that cannot be installed is shown as missing in the table.
bench: $(VENV)/tests-ready ## measure the job against the bare loop and its peers
	[ -d .venv-peers ] || $(MAKE) peers || true
	$(BIN)/python -m benchmarks

tools: ## install the tools of slow tests: Flink, servers, a browser
	.ci/tools

image: ## build the image for workers of a cluster: `make image IMAGE=registry/imagebeam`
	$(CONTAINERS) build --file deploy/Dockerfile --target worker --tag $(IMAGE) .

clean: ## remove the environment and the files that runs left
	rm -rf $(VENV) .venv-pythons demo-output build site *.egg-info

# The demo needs no TensorFlow. Without it, the download is a quarter of the size.
$(VENV)/demo-ready: setup.py requirements.txt requirements-decoder.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint requirements.txt --editable .
	$(BIN)/pip install --quiet --no-deps --requirement requirements-decoder.txt
	@touch $@

$(VENV)/tests-ready: setup.py requirements.txt requirements-dev.txt requirements-decoder.txt | $(BIN)/python
	$(BIN)/pip install --quiet --requirement requirements-dev.txt --editable .
	$(BIN)/pip install --quiet --no-deps --requirement requirements-decoder.txt
	@touch $@ $(VENV)/demo-ready

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
