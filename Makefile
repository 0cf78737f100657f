# Set-up, demo, server, tests and checks. Everything lives in .venv; nothing else on the machine is touched.

PYTHON ?= python3
# The one pinned wheel: other builds of the same version (CUDA) fit too, put there before `make setup`.
TORCH ?= torch==2.13.0
MODEL ?= acestep-tiny-random
LM_MODEL ?= $(if $(findstring tiny,$(MODEL)),acestep-5Hz-lm-tiny-random,acestep-5Hz-lm-0.6B)
ROWS ?= 1000000
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test bench bench-history fuzz security check format docs

help:
	@echo "make demo    set up, generate one clip over HTTP, restart everything, compare"
	@echo "make serve   run the service on http://127.0.0.1:8001 until Ctrl-C (MODEL=$(MODEL))"
	@echo "make test    run all tests"
	@echo "make bench   time the engine and the service against the bare library and the ideal"
	@echo "make fuzz    send 20000 random requests, in open and closed mode, made from the OpenAPI document"
	@echo "make security   the list of docs/security.md in full, half an hour or more (ONLY=\"S3 S14\" for some of it)"
	@echo "make bench-history   lists, statistics, claim and poll at 10^5 and 10^6 tasks (ROWS=$(ROWS)), some ten minutes"
	@echo "make check   formatting, lint, types, import contracts, migrations"

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "making .venv"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing dependencies (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[inference,media,dev]"
	@touch $@

demo: $(READY)
	@$(BIN)/python -m app.cli.demo --model $(MODEL) --lm-model $(LM_MODEL)

serve: $(READY)
	@$(BIN)/acestep-api --config-path $(MODEL) --lm-model-path $(LM_MODEL)

test: $(READY)
	@$(BIN)/python -m pytest

bench: $(READY)
	@$(BIN)/python -m tests.bench.overlap
	@$(BIN)/python -m tests.bench.latency
	@$(BIN)/python -m tests.bench.overhead
	@$(BIN)/python -m tests.bench.recovery

fuzz: $(READY)
	@FUZZ_REQUESTS=10000 $(BIN)/python -m pytest -s tests/acceptance/test_fuzz.py

security: $(READY)
	@$(BIN)/python -m tests.security $(ONLY)

bench-history: $(READY)
	@$(BIN)/python -m tests.bench.history $(ROWS)

docs: $(READY)
	@$(BIN)/python -m app.cli.parameters

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/migration

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
