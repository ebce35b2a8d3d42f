# `make` prints the commands. Everything lives in .venv, which is made on first use.

PYTHON ?= python3
SCALE ?= full
BIN := .venv/bin
PROTO := $(wildcard proto/featurestore/serving/v1/*.proto)
PROTOC = $(BIN)/python -m grpc_tools.protoc -I proto

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check format proto proto-check bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed-demo  ## the whole story on real flight data, under three minutes
	@$(BIN)/python -m examples.flights.demo

test: .venv/.installed-dev  ## the fast tests, with the coverage floor
	@$(BIN)/python -m tests.system_packages
	$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term-missing:skip-covered

test-all: .venv/.installed-dev  ## every test, the slow ones too
	@$(BIN)/python -m tests.system_packages
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

check: .venv/.installed-dev  ## lint, formatting, types, import layers, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory proto-check

format: .venv/.installed-dev  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

proto: .venv/.installed-dev  ## regenerate the code in featurestore/serving/v1
	$(PROTOC) --python_out=. --pyi_out=. --grpc_python_out=. $(PROTO)

proto-check: .venv/.installed-dev
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(PROTOC) --python_out="$$fresh" --pyi_out="$$fresh" --grpc_python_out="$$fresh" $(PROTO) && \
	for file in $$(cd "$$fresh" && find . -type f | sort); do \
	    diff -u "$$file" "$$fresh/$$file" || { echo "$$file is not what $(PROTO) generates: run make proto" >&2; exit 1; }; \
	done && echo "Generated code is current."

bench: .venv/.installed-dev  ## the benchmarks, each checks its results before it times (SCALE=small for a quick look)
	$(BIN)/python -m benchmarks.offline --scale $(SCALE)
	@for file in $(wildcard benchmarks/bench_*.py benchmarks/*/bench_*.py); do \
	    echo "== $$file" && $(BIN)/python -m "$$(echo "$${file%.py}" | tr / .)" || exit 1; \
	done

clean:  ## remove what the commands above made, .venv included
	rm -rf .venv .bench .demo .featurestore build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "featurestore needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed-demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

.venv/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ .venv/.installed-demo
