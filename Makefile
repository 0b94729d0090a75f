# Needs make and Python 3.11 or newer; uses uv when it is there. Everything goes into .venv.

IS_NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
  "$$name" $(IS_NEW_ENOUGH) 2>/dev/null && command -v "$$name" && break; done)
UV := $(shell command -v uv)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo example test check-all test-matrix nightly fuzz lint bench docs release clean

help:  ## say what there is to make
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16

demo: .venv/demo  ## show pgslo at work on a private PostgreSQL server
	$(BIN)/python examples/flights/demo.py

example: .venv/example  ## retrain a model behind the gate, on real flights
	$(BIN)/python examples/flight_delay/story.py

test: lint  ## check the code, then what pgslo does on a private PostgreSQL server: the quick tests, one variant of each
	$(BIN)/pytest -n auto --maxprocesses 4 -m 'not slow'

check-all: test docs  ## check more: make test, the site of the documentation, then the slow tests and a second variant of each
	$(BIN)/pytest -n auto --maxprocesses 4 -m 'slow and not nightly'

test-matrix: .venv/dev  ## run the tests that need a database on PostgreSQL 14, 15, 16, 17 and 18
	.ci/matrix

nightly: .venv/dev  ## run every test in every variant, and all of what the others try at random a part
	PGSLO_NIGHTLY=1 PGSLO_STANDING_STEPS=2000 $(BIN)/pytest -n auto --maxprocesses 4 -o faulthandler_timeout=0

fuzz: .venv/dev  ## try 5,000 definitions at random, as many tables, and 2,000 sets of hostile objects; for the night
	PGSLO_FUZZ_CASES=5000 $(BIN)/pytest -n 2 -o faulthandler_timeout=0 tests/database/generated/test_any_definition.py tests/database/writes/test_observers.py tests/database/security/test_any_stranger.py

lint: .venv/dev  ## check the code without running it
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev  ## measure what pgslo costs, against doing without
	set -e; for file in $$(grep -l __main__ benchmarks/*.py); do \
	  $(BIN)/python -m benchmarks.$$(basename $$file .py); done

docs: .venv/dev  ## check the documentation's links, and build its site in build/site
	$(BIN)/pytest tests/core/test_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

release: .venv/dev  ## build the wheel and the sdist, check them and try the wheel; uploads nothing
	@test -n "$$PGSLO_REPOSITORY" || { echo 'Name the public address of the repository: PGSLO_REPOSITORY=https://...'; exit 1; }
	rm -rf dist build/tried
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv build/tried
	build/tried/bin/pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[cli]"
	build/tried/bin/pgslo --version
	build/tried/bin/pgslo lint examples/flights/slos

clean:  ## remove .venv and what the tools left
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*

# One file each says that the packages of an extra are in .venv, and are those of today's pyproject.toml.
.venv/demo .venv/example .venv/dev: .venv/%: pyproject.toml | $(BIN)/python
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[$*]'
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[$*]'
endif
	@touch $@

$(BIN)/python:
ifdef UV
	$(UV) venv --quiet --python '>=3.11' .venv
else
	@"$(PYTHON)" $(IS_NEW_ENOUGH) 2>/dev/null || { \
	  echo 'pgslo needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11'; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '$(PYTHON) cannot make virtual environments: its venv or ensurepip is missing.'; \
	  echo 'On Debian and Ubuntu: apt-get install python3-venv. Or install uv.'; exit 1; }
	@"$(PYTHON)" -m venv .venv
endif
