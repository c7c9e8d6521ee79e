# The verbs of Bourse. `make` alone lists them.
.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
PY := .venv/bin/python
UV := $(PY) -m uv
UV_VERSION := 0.13.9
NPM := $(shell command -v npm >/dev/null && echo npm || echo '$(PY) scripts/npm.py')
WORKERS ?= auto
ONLY ?=

define fetch_assets
echo "fetching the portal's assets"
$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel error
$(PY) scripts/assets.py
touch static/vendor/.installed
endef

# Lint before the long suite, also under make -j.
.NOTPARALLEL:
.PHONY: help run test check lint bench torture fmt lock assets native .venv

help: ## list these commands
	@grep -hE '^[a-z.]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

run: .venv/.installed native static/vendor/.installed ## start everything; prints the address and the demo logins
	@exec $(PY) manage.py up

test: .venv/.installed native static/vendor/.installed ## the whole suite on servers of its own, browser tests included
	@$(PY) scripts/chromium.py
	$(PY) -m pytest -n $(WORKERS)

check: lint test ## lint, types, contracts, migrations, deployment, tests: what CI runs

lint: .venv/.installed
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	PYTHONPATH=platform .venv/bin/lint-imports
	DATABASE_POOL_MAX=0 $(PY) -W ignore manage.py makemigrations --check --dry-run
	$(PY) scripts/deploy_check.py

bench: .venv/.installed native ## the benchmarks, one JSON line each; ONLY=name,name
	@$(PY) -m benchmarks $(if $(ONLY),--only $(ONLY))

torture: .venv/.installed native ## the long seeded fault runs
	@$(PY) -m tests.torture

fmt: .venv/.installed ## format and tidy the source
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: .venv/.installed ## compile requirements*.in into the hashed lock files
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.lock
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 -c requirements-dev.lock requirements.in -o requirements.lock
	npm_config_omit_lockfile_registry_resolved=true $(NPM) install --package-lock-only --ignore-scripts

assets: .venv/.installed ## fetch what the portal serves of its npm packages again
	@$(fetch_assets)

.venv: .venv/.installed native ## build the virtual environment, or bring it up to date

native: .venv/.installed ## compile the engine where there is a C compiler
	@$(PY) scripts/native.py

.venv/.installed: requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "Bourse needs Python 3.11 or newer." >&2; exit 2; }
	if [ ! -x $(PY) ]; then
	  echo "building .venv with $$($(PYTHON) --version)"
	  $(PYTHON) -m venv .venv || { echo "Python's venv module is missing: install python3-venv." >&2; exit 2; }
	fi
	$(UV) --version >/dev/null 2>&1 || $(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	echo "installing the locked packages"
	$(UV) pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements-dev.lock
	touch $@

static/vendor/.installed: package-lock.json scripts/assets.py | .venv/.installed
	@$(fetch_assets)
