# duban: `make demo` to see it, `make test` before every commit.
# Everything lives in .venv; nothing is installed again until pyproject.toml or constraints.txt change.

PORT   ?= 8080
PYTHON ?=
BIN    := .venv/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CODE   := bot duties adapters tests $(wildcard bench)
LOCK   := pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command 'make lock'

# A virtual environment whose Python is gone holds nothing, whatever its stamps say.
$(shell test -x $(BIN)/python || rm -f .venv/.installed .venv/.installed-dev)

.PHONY: demo test test-sdk test-matrix fuzz year year-city check bench lock
.DEFAULT_GOAL := test

demo: .venv/.installed
	@$(BIN)/duban demo --port $(PORT)

test: check
	@$(BIN)/python -m pytest

check: .venv/.installed-dev
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/mypy --no-error-summary

# The platforms' own SDKs as the far end; heavy, so they are not part of `make test`, whose SDK tests then skip.
test-sdk: .venv/.installed-dev
	@$(PIP) -c constraints.txt -e '.[dev,sdk]'
	@$(BIN)/python -m pytest tests/adapters

# A real Matrix server that the tests start themselves, in an environment of its own.
test-matrix: .venv-matrix/.installed
	@.venv-matrix/bin/python -m pytest tests/adapters/test_matrix.py tests/adapters/test_matrix_synapse.py

# What `make test` does with a few examples of nonsense, with very many.
fuzz: .venv/.installed-dev
	@$(BIN)/python -m pytest tests/adapters/test_fuzz.py --hypothesis-profile=fuzz

# What `make test` lives through once: twenty years of people drawn anew, on both databases. SEEDS=7 takes one of them.
SEEDS  ?= $(shell seq -s, 1 20)
year: .venv/.installed-dev
	@DUBAN_YEAR_SEEDS=$(SEEDS) DUBAN_YEAR_DATABASES=sqlite,postgresql $(BIN)/python -m pytest tests/bot/test_year.py

# One year of all units of the sample city.
year-city: .venv/.installed-dev
	@DUBAN_YEAR_UNITS=city $(BIN)/python -m pytest -n0 tests/bot/test_year.py

bench: .venv/.installed-dev
	@$(BIN)/python -m $(if $(wildcard bench/run.py),bench.run,bench)

# Pins already in the two files stay unless they must move; `make lock UPGRADE=--upgrade` moves them all.
lock: | .venv/bin/python
	@test -x $(BIN)/uv || $(PIP) uv
	@$(BIN)/uv $(LOCK) $(UPGRADE) --extra dev --output-file constraints.txt pyproject.toml
	@$(BIN)/uv $(LOCK) --generate-hashes --constraints constraints.txt --output-file requirements.lock pyproject.toml
	@if grep -n '://' constraints.txt requirements.lock; then echo 'The lock files must not name a host.' >&2; exit 1; fi

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo 'Installing duban into .venv ...'
	@$(PIP) -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo 'Installing duban and its development tools into .venv ...'
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch .venv/.installed $@

.venv-matrix/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@test -x .venv-matrix/bin/python || $(BIN)/python -m venv .venv-matrix
	@.venv-matrix/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,matrix-test]'
	@touch $@

.venv/bin/python:
	@for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then incomplete="$$python"; continue; fi; \
	  exec "$$python" -m venv .venv; \
	done; \
	if [ -n "$$incomplete" ]; then \
	  echo "$$incomplete cannot make a virtual environment: install its venv package (Debian, Ubuntu: python3-venv)." >&2; \
	else \
	  echo 'duban needs Python 3.11 or newer: put python3 on PATH, or name one with make PYTHON=/path/to/python3.' >&2; \
	fi; exit 1
