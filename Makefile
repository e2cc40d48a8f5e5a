# Everything starts here: `make demo`, `make test`. Works from any folder: make -f /path/to/Makefile demo
# make's own functions split at blanks, and a folder's name may have one.
ROOT := $(shell cd "$$(dirname "$$(printf '%s' '$(MAKEFILE_LIST)' | sed 's/^ *//')")" && pwd -P)
ifneq ($(CURDIR),$(ROOT))
.DEFAULT_GOAL := help
%:
	@$(MAKE) --no-print-directory -C '$(ROOT)' $@
else

PYTHON ?= python3
BIN := .venv/bin
# Tests wait for processes half of the time: more of them than processors.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 2 ] && echo 4 || echo $$((2 * n)))
DENO := DENO_DIR='$(ROOT)/.venv/deno' DENO_NO_UPDATE_CHECK=1 $(BIN)/deno
LOCKS := requirements.lock pyproject.toml deno.json deno.lock local/supabase_cli.lock
STAMP := .venv/ready
# Hundreds of processes are started: without cached bytecode each would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

# A virtual environment knows its folder by heart: a copied or moved checkout makes a new one.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(ROOT))
.PHONY: $(STAMP)
endif

.PHONY: help setup demo up down test test-deno check check-python check-sql check-deno check-exports
.PHONY: format exports mutate bench clean lock

help:
	@echo 'make demo    start, send real alerts, show each order with its trace'
	@echo 'make up      start the stack and leave it running; make down stops it'
	@echo 'make test    the whole suite from nothing'
	@echo 'make check   lints, types, imports, database advisors, generated files'
	@echo 'make mutate  mutants of the arithmetic of money; five to ten minutes'
	@echo 'make bench   load, last line one JSON object'
	@echo 'make clean   stop the stack, remove its data and everything installed'

setup: $(STAMP)

$(STAMP): $(LOCKS)
	@echo 'setting up .venv (once)'
	@[ "$$(cat $(STAMP) 2>/dev/null)" = '$(ROOT)' ] || $(PYTHON) -m venv --clear .venv
	@rm -f $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(DENO) install --quiet --frozen
	@$(BIN)/python -m local.supabase_cli
	@echo '$(ROOT)' > $(STAMP)

demo: setup
	@$(BIN)/empire demo

up: setup
	@$(BIN)/empire up --detach --venues

down: setup
	@$(BIN)/empire down

test: setup test-deno
	@$(BIN)/pytest -n $(JOBS) --dist worksteal

test-deno: setup
	@$(DENO) test --quiet --no-prompt --cached-only --frozen --no-remote --permit-no-files --parallel \
		--allow-env --allow-read --allow-net=127.0.0.1 local supabase/functions

check: check-python check-sql check-deno check-exports
	@echo 'check ok'

check-python: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check-sql: setup
	@$(BIN)/sqlfluff lint --disable-progress-bar supabase/migrations supabase/policies.sql
	@$(BIN)/python -m local.advisors

check-deno: setup
	@$(DENO) fmt --check --quiet
	@$(DENO) lint --quiet
	@$(DENO) check --quiet --frozen local supabase/functions

check-exports: setup
	@$(BIN)/python -m local.exports --check

format: setup
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format --quiet
	@$(DENO) fmt --quiet

exports: setup
	@$(BIN)/python -m local.exports

# Fails on a mutant that no test notices and that tests/mutation/equivalents.toml does not list.
mutate: setup
	@rm -rf mutants
	@$(BIN)/python -m mutmut run > mutants.log 2>&1 || { tail -n 20 mutants.log; exit 1; }
	@$(BIN)/python -m tests.mutation.judge

bench: setup
	@$(BIN)/python -m bench

clean:
	@[ ! -x $(BIN)/empire ] || $(BIN)/empire down --remove-data
	@rm -rf .venv .empire supabase/.temp supabase/.branches
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants mutants.log

# Pin anew what requirements.in asks for (needs uv: pip install uv).
lock:
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command 'make lock' requirements.in -o requirements.lock
endif
