# Everything that CI runs and a user may want; each target makes what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVING := $(VENV)/.serving
READY := $(VENV)/.ready
# On a terminal pip shows what it fetches, how much there is, and the time left.
QUIETLY := $(shell test -t 2 || echo --quiet)
INSTALL := $(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
THOROUGH := HYPOTHESIS_PROFILE=thorough $(PYTEST) -m ''
# Compiled code is kept, whatever the caller's environment says: else every process compiles the project anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve packages test test-all check lint types format bench bench-quick bench-peers screenshots release site clean

help: ## show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(SERVING): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer with its venv module is needed (on Debian: apt-get install python3-venv);" \
	         "name another with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	@touch $@

$(READY): $(SERVING)
	$(INSTALL) --editable '.[dev]'
	@touch $@

serve: $(SERVING) ## serve on http://127.0.0.1:4010 (options: make serve ARGS='--seed 1')
	@$(BIN)/mockserver serve $(ARGS)

packages: ## install the commands that the tests need (as root on Debian; else it says which)
	@PYTHON='$(PYTHON)' tests/packages.sh

test: packages lint types $(READY) ## lint, types and all tests (four minutes; clients are fetched once)
	$(PYTEST) $(ARGS)

test-all: packages lint types $(READY) ## the same with many more drawn cases, and the tests that are marked as thorough
	$(THOROUGH) $(ARGS)

check: packages $(READY) ## check the mock by itself, released clients and Schemathesis, served in every way (ten minutes)
	$(THOROUGH) -p tests.self_check_table tests/check/test_self_check.py $(ARGS)

lint: $(READY) ## ruff: rules and formatting
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

format: $(READY) ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## measure all, beside plain servers and other tools; writes BENCHMARKS.md (three quarters of an hour)
	$(BIN)/python -m benchmarks

bench-quick: $(READY) ## measure all operations, the start and calls in process, in two minutes; writes nothing
	$(BIN)/python -m benchmarks --quick

bench-peers: $(READY) ## measure beside other tools, which are fetched once; writes nothing
	$(BIN)/python -m benchmarks --only peers

screenshots: packages $(READY) ## take the pictures of docs/page.md anew, in Chromium
	$(BIN)/python -m tests.page.screenshots

site: $(READY) ## build the site of the docs, and print its folder
	@$(BIN)/python website.py

release: $(READY) ## make wheel and sdist in dist/, checked by twine, once version, changelog and tree agree
	@$(BIN)/python release.py

clean: ## remove the environment and all caches
	rm -rf $(VENV) .cache build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
