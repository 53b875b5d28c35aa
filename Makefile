# One door for commands. `make help` lists them; CI calls the same ones.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# SERVE=0 ends `make demo` after its table.
SERVE ?= 1
PORT ?= 8000
# Tests wait for browsers and servers half of their time: on two cores three at once are quicker than two.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install build demo serve stop test test-fast lint format schema messages bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

# What runs Parley; what only developers need comes on top where a command asks for it.
$(VENV)/.installed: pyproject.toml deploy/constraints.txt deploy/install.py
	@$(PYTHON) deploy/install.py

$(VENV)/.installed-dev: $(VENV)/.installed deploy/constraints-dev.txt
	@$(PYTHON) deploy/install.py --dev

frontend/node_modules/.installed: frontend/package.json frontend/package-lock.json | $(VENV)/.installed
	@echo "[front end] installing packages"
	@cd frontend && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed

frontend/dist/index.html: frontend/node_modules/.installed $(shell find frontend/src frontend/public frontend/index.html frontend/vite.config.ts -type f 2>/dev/null)
	@echo "[front end] building"
	@cd frontend && npm run --silent build && touch dist/index.html

install: $(VENV)/.installed-dev  ## the virtual environment with every package, the development tools too
build: $(VENV)/.installed frontend/dist/index.html  ## install, and build the web interface

demo: build  ## run the loop once on the project's own sample, then serve the site (SERVE=0: do not serve)
	@$(RUN) manage.py demo --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve,--serve)

serve: build  ## migrate, then run web, workers and beat (Ctrl-C stops them)
	@$(RUN) manage.py serve --port $(PORT)

stop:  ## stop the embedded PostgreSQL and Valkey
	@$(RUN) manage.py servers stop

test: build $(VENV)/.installed-dev  ## every test
	@$(RUN) -m pytest -n $(JOBS) --no-loadscope-reorder
	@cd frontend && npm run --silent test

test-fast: build $(VENV)/.installed-dev  ## the quick part
	@$(RUN) -m pytest -n $(JOBS) --no-loadscope-reorder -m "not slow and not e2e"

lint: build $(VENV)/.installed-dev  ## format, lint, types, import rules, schema
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check .
	@$(RUN) -m mypy annotate trainer
	@$(VENV)/bin/lint-imports
	@cd frontend && npm run --silent lint

format: $(VENV)/.installed-dev frontend/node_modules/.installed  ## put every file into the one format
	@$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .
	@cd frontend && npm run --silent format

schema: $(VENV)/.installed frontend/node_modules/.installed  ## write the OpenAPI schema and the front end's types anew
	@$(RUN) manage.py spectacular --fail-on-warn --file frontend/openapi.yaml
	@cd frontend && npm run --silent types

messages: $(VENV)/.installed-dev  ## collect the server's sentences into every language's catalog, and compile them
	@mkdir -p build
	@$(VENV)/bin/pybabel --quiet extract --keywords gettext_lazy --add-location file --sort-by-file --no-wrap \
		--project Parley --copyright-holder "the Parley contributors" --output build/django.pot annotate
	@$(VENV)/bin/pybabel --quiet update --domain django --input-file build/django.pot --output-dir annotate/locale \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	@$(VENV)/bin/pybabel --quiet compile --domain django --directory annotate/locale

bench: build $(VENV)/.installed-dev  ## benchmarks, one JSON line each; one that fails does not stop the others
	@failed=0; for file in bench/*.py; do $(RUN) $$file || failed=1; done; exit $$failed

clean:  ## remove what was built (not the data directory .parley)
	rm -rf $(VENV) frontend/node_modules frontend/dist
