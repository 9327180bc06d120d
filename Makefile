# The only entry: every target works on a machine with Python 3.11 and make, in a fresh clone, in any order, twice.
# Paths are relative throughout, so that a checkout in a folder with a space works.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := airflow,airflow-gcp,gcp,postgres,train,jax,dev,bench

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-interop test-cloud lint bench ui constraints clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(STAMP) ## make .venv and install everything in it, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@$(BIN)/python -m compileall -q threadmill operators plugins dags
	@$(BIN)/python -m threadmill.warm_up
	@touch $@

demo: install ## run the whole DAG on sample data and show what it made
	@$(BIN)/python -m operators.local_airflow demo

ui: install ## start Airflow on 127.0.0.1:8080 (PORT=N for another port); Ctrl-C stops it
	@$(BIN)/python -m operators.local_airflow ui

test: install ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow and not keras and not cloud'
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'keras and not slow' tests/training

test-slow: install ## run the slow tests: kills in the middle, training on JAX, TensorFlow's own readers
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'slow and not keras and not cloud'
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'keras and slow' tests/training
	@TEST_BACKEND=jax $(BIN)/python -m pytest -n 2 --dist loadfile -m keras tests/training

test-interop: install ## read what we write with the software of others, and train without Airflow, in environments of their own
	@test -x .interop/bin/python || $(PYTHON) -m venv .interop
	@$(BIN)/python -m uv pip install --quiet --python .interop/bin/python --requirement tests/interop/requirements.txt
	@test -x .trainer/bin/python || $(PYTHON) -m venv .trainer
	@$(BIN)/python -m uv pip install --quiet --python .trainer/bin/python --constraint constraints.txt --reinstall-package threadmill '.[train,jax]'
	@INTEROP_PYTHON=.interop/bin/python TRAINER_PYTHON=.trainer/bin/python $(BIN)/python -m pytest -n 2 --dist loadfile tests/interop

test-cloud: install ## run the DAGs against servers that speak as Google Cloud does, and Beam's Prism, in environments of their own
	@PYTHON=$(PYTHON) UV="$(BIN)/python -m uv" tests/cloud/make_tools .tools
	@TOOLS=.tools $(BIN)/python -m pytest -n 2 --dist loadfile -m 'cloud and not keras'
	@cat .tools/faults.txt

lint: install ## check style, imports and types
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check --quiet .
	@$(BIN)/python -m mypy

bench: install ## measure speed and memory against the raw limits
	@$(BIN)/python -m benchmarks

constraints: ## renew constraints.txt: the newest versions that fit together
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade uv
	@$(BIN)/python -m uv pip compile --quiet --upgrade --all-extras --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml --output-file constraints.txt
	@$(BIN)/python -m uv --version | sed -E 's/^uv ([0-9.]+).*/uv==\1/' >> constraints.txt

clean: ## remove all that the other targets made
	@rm -rf $(VENV) .interop .trainer .tools .threadmill .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
