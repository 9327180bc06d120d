# The only entry: every target works on a machine with Python 3.11 and make, in a fresh clone, in any order, twice.
# Paths are relative throughout, so that a checkout in a folder with a space works.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench ui constraints clean

install: $(STAMP) ## make .venv and install everything, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[train,dev,bench]'
	@touch $@

