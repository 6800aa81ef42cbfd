# Every target makes the virtual environment that it needs by itself; `make help` lists them.

PYTHON ?= python3
SCALE ?= 1
KILLS ?= 300
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := $(VENV)/.runtime
TEST := $(VENV)/.test
BENCH := $(VENV)/.bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: crash help demo test check browser bench handbook fuzz-language fuzz-models noninterference \
        clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## run the main job on the shipped example
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tidegate.examples.demo

test: $(TEST) browser ## run every test (WORKERS=2)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup

check: $(TEST) ## lint, formatting, types and import contracts
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --no-cache --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports --no-cache --no-logo

browser: ## install Debian's chromium, in which pages are tested, where it is absent (root)
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || { \
	  echo "installing chromium"; \
	  { apt-get update && apt-get install --yes --no-install-recommends chromium; } \
	    > /dev/null 2>&1 || echo "chromium could not be installed: tests of pages will fail"; }

bench: $(BENCH) ## measure against the hand-written baselines
	@$(BIN)/python -m bench

handbook: $(BENCH) ## the Handbook: every payment online and dry run, and its table of models (../shared)
	@$(BIN)/python -m bench.handbook_online
	@$(BIN)/python -m bench.handbook_models

fuzz-language: $(TEST) ## search longer for a disagreement in the language (SCALE=1)
	@$(BIN)/python -m tests.fuzz_language --scale $(SCALE)

fuzz-models: $(TEST) ## search longer for a model file that harms (SCALE=1)
	@$(BIN)/python -m tests.fuzz_models --scale $(SCALE)

crash: $(TEST) ## kill the ledger's writer at random moments, on both databases (KILLS=300)
	@$(BIN)/python -m tests.crash --kills $(KILLS)

noninterference: $(TEST) ## give 100,000 events every score of every model, and look who is declined (SCALE=1)
	@$(BIN)/python -m tests.fuzz_noninterference --scale $(SCALE)

clean: ## remove the virtual environment and everything that was built
	@rm -rf $(VENV) build dist src/*.egg-info .*_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stale build/ puts deleted modules back into what is installed, hence the rm.
$(RUNTIME): pyproject.toml requirements/build.txt requirements/runtime.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidegate needs Python 3.11 or later: make PYTHON=python3.12")'
	@echo "installing Tidegate into $(VENV)"
	@rm -rf build
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST): $(RUNTIME) requirements/train.txt requirements/postgres.txt requirements/test.txt
	@echo "installing the test tools into $(VENV)"
	@$(PIP) install -r requirements/test.txt
	@touch $@

$(BENCH): $(RUNTIME) requirements/train.txt requirements/bench.txt
	@$(PIP) install -r requirements/bench.txt
	@touch $@
