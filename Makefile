# Needs Python 3.11 or newer with venv and pip; everything else goes into $(VENV).
# A stamp in $(VENV) marks each finished step, so that nothing is downloaded twice.
# Tests run in WORKERS processes, one a core unless given; WORKERS=0 is pytest's own process alone.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
ARGS ?=
SEEDS ?= 10000
MINUTES ?= 30
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= logical

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
INTERPRETER := $(VENV)/.made-with-$(subst /,_,$(or $(PYTHON),none))
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
PARALLEL := --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal
IDENTITY := import sys; print(sys.base_prefix, sys.version)
BENCHMARKS := actors scale overhead drag busy caching flood subscribers kernels soak

.DEFAULT_GOAL := help
.PHONY: help demo test quick soak check format bench bench-marimo compat pin clean

help:  ## what each target does
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16

demo: $(RUNTIME)  ## install the pinned project and play the demonstration
	@$(BIN)/callboard demo $(ARGS)

test: check  ## everything CI runs: check, then every test
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

quick: $(DEV)  ## the tests that take milliseconds
	@$(BIN)/python -m pytest -m 'not slow' $(PARALLEL) $(ARGS)

soak: $(DEV)  ## simulate SEEDS=10000 kernels with faults, then bear everything at once for MINUTES=30
	@$(BIN)/callboard simulate --seeds $(SEEDS) --jobs $(JOBS) $(ARGS)
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --json benchmarks/results/soak.json

check: $(DEV)  ## lint, formatting, types, import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy tools
	@$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(DEV)  ## rewrite the sources as `check` wants them
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(DEV)  ## run each benchmark briefly; JSON goes to benchmarks/results/
	@mkdir -p benchmarks/results
	@set -e; for name in $(BENCHMARKS); do \
		$(BIN)/python -m benchmarks.$$name --quick --json benchmarks/results/$$name.json; done

bench-marimo: $(DEV)  ## the drag on callboard and on real marimo kernels (downloads them once)
	@mkdir -p benchmarks/results
	@$(BIN)/python -m benchmarks.overhead --json benchmarks/results/overhead-marimo.json
	@$(BIN)/python -m benchmarks.drag --vs marimo==0.23.7 --vs marimo \
		--json benchmarks/results/drag-marimo.json $(ARGS)

compat: $(DEV)  ## send every message through marimo's codecs, both ways (downloads marimo once)
	@$(BIN)/python -m benchmarks.compat $(ARGS)

pin: $(DEV)  ## resolve constraints.txt anew; needs all supported Pythons
	@$(BIN)/python tools/pin.py $(or $(PYTHONS),python3.11 python3.12 python3.13) $(ARGS)

clean:  ## remove everything that can be made again
	rm -rf $(VENV) .bench .compat .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find callboard tests benchmarks examples tools -name __pycache__ -type d -exec rm -rf {} +

# An environment of the same interpreter is kept; one of another is replaced.
$(INTERPRETER):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		f"Python 3.11 or newer is needed; $(PYTHON) is {sys.version.split()[0]}")'
	@test "$$($(BIN)/python -m pip --version >/dev/null 2>&1 && $(BIN)/python -c '$(IDENTITY)')" \
		= "$$($(PYTHON) -c '$(IDENTITY)')" || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $(VENV)/.made-with-* && touch $@

# The build backend comes from the pins too, hence no isolated build.
$(RUNTIME): $(INTERPRETER) pyproject.toml constraints.txt
	@echo "installing callboard and its pinned dependencies into $(VENV)"
	@$(PIP) $$($(BIN)/python tools/pin.py --list build)
	@$(PIP) --no-build-isolation --editable '.[cli]'
	@touch $@

$(DEV): $(RUNTIME)
	@echo "installing the pinned development tools into $(VENV)"
	@$(PIP) $$($(BIN)/python tools/pin.py --list dev) $$($(BIN)/python tools/pin.py --list backends) \
		$$($(BIN)/python tools/pin.py --list data)
	@touch $@
