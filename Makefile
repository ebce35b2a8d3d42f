# `make` prints the commands. Everything lives in .venv, which is made on first use.

PYTHON ?= python3
SCALE ?= full
BIN := .venv/bin
PROTO := $(wildcard proto/featurestore/serving/v1/*.proto)
PROTOC = $(BIN)/python -m grpc_tools.protoc -I proto
BUF = tools/buf/node_modules/.bin/buf

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check format proto proto-check proto-lint proto-baseline bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed-demo  ## the whole story on real flight data, under three minutes
	@$(BIN)/python -m examples.flights.demo

test: .venv/.installed-dev  ## the fast tests, with the coverage floor
	@$(BIN)/python -m tests.system_packages
	$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term-missing:skip-covered

test-all: .venv/.installed-dev  ## every test, the slow ones too
	@$(BIN)/python -m tests.system_packages
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

check: .venv/.installed-dev  ## lint, formatting, types, import layers, generated code, the protocol's rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory proto-check proto-lint

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

proto-lint: tools/buf/node_modules/.installed
	$(BUF) lint
	$(BUF) breaking --against proto/baseline.binpb
	@echo "The protocol keeps its rules, and every client of the baseline."

proto-baseline: tools/buf/node_modules/.installed  ## at a release: from now on its protocol is what must not break
	$(BUF) build --exclude-source-info --output proto/baseline.binpb

bench: .venv/.installed-dev  ## the benchmarks, each checks its results before it times (SCALE=small for a quick look)
	$(BIN)/python -m benchmarks.offline --scale $(SCALE)
	$(BIN)/python -m benchmarks.lineage $(if $(filter small,$(SCALE)),--views 10)
	@for file in $(wildcard benchmarks/bench_*.py benchmarks/*/bench_*.py); do \
	    echo "== $$file" && $(BIN)/python -m "$$(echo "$${file%.py}" | tr / .)" || exit 1; \
	done

clean:  ## remove what the commands above made, .venv included
	rm -rf .venv .bench .demo .featurestore build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name node_modules -type d -prune -exec rm -rf {} +
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

%/node_modules/.installed: %/package-lock.json
	@command -v npm >/dev/null || { \
	    echo "$* needs npm, which comes with Node.js 18 or newer, and there is none: apt-get install nodejs npm" >&2; exit 1; }
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
