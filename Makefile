# Everything a contributor types. GNU make 3.81 (macOS) and newer.

BIN := .venv/bin
STAMP := .venv/.installed
FLEET := PYTHONPATH=tests $(BIN)/python -m support.fleet
# Tests that need no fleet run in this many processes.
JOBS ?= 2
# The first Python of 3.11 or newer that really runs; `make PYTHON=... venv` names another.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

.DEFAULT_GOAL := help
.PHONY: help venv check docs links test test-unit test-tailnet demo bench clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-19s %s\n", $$1, $$2 }'

venv: $(STAMP) ## make .venv with saturn and its development tools

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.11 venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

check: $(STAMP) docs ## style, types, layers, documents and their links
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(STAMP) ## the documents as a site in .cache/site; a link that leads nowhere is an error
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs .cache/site

links: $(STAMP) ## whether the documents' links to other sites still lead somewhere; needs the internet
	@$(BIN)/sphinx-build -q -b linkcheck docs .cache/links

test: $(STAMP) ## every test but test-tailnet; as root on Debian this installs what the end-to-end tests need
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(FLEET) install; else $(FLEET) missing; fi \
		|| echo "Without it the end-to-end tests are skipped, or fail where CI=true or SATURN_E2E=required."
	@$(BIN)/pytest -m 'not e2e and not tailnet' --numprocesses $(JOBS)
	@$(BIN)/pytest -m e2e --numprocesses $(JOBS) --dist loadfile

test-unit: $(STAMP) ## every test but the end-to-end ones
	@$(BIN)/pytest -m 'not e2e and not tailnet' --numprocesses $(JOBS)

test-tailnet: $(STAMP) ## a real tailnet; needs what `make test` needs, and tailscale, tailscaled and headscale
	@SATURN_TAILNET=required $(BIN)/pytest -m tailnet

demo: $(STAMP) ## saturn at work, without any host
	@$(BIN)/saturn demo

bench: $(STAMP) ## measure saturn beside its peers, and bring it into docs/performance.md; about 32 minutes
	@echo "About 32 minutes; with SATURN_BENCH_ROUNDS=1 about 8. Leave the machine alone meanwhile."
	@for script in benchmarks/[a-z]*.py; do $(BIN)/python "$$script" || exit 1; done
	@PYTHONPATH=benchmarks $(BIN)/python -m ground.page

clean: ## remove .venv, caches and prepared parts of the test fleet
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
