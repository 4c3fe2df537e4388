# Everything here needs only Python 3.11 and make; what is installed goes into .venv.

.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
RUNTIME := .venv/.runtime
DEV := .venv/.dev
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard *_app/__init__.py)) elm_project microsoft_cloud simulator
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
ARGS ?=
# Dozens of short processes start here: compiled modules are kept, also where the environment says never to write them
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/.bytecode

.PHONY: help install demo run worker beat flower format lint types imports migrations deploy audit sbom check test assurance docs restore-drill screenshots selfcheck lock

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(DEV) ## Install everything, hash-locked, into .venv

$(RUNTIME): requirements/runtime.txt requirements/uv.txt
	@requirements/install runtime
	@touch $@

$(DEV): requirements/runtime.txt requirements/dev.txt requirements/uv.txt
	@requirements/install runtime dev
	@touch $(RUNTIME) $@

demo: $(RUNTIME) ## Show the whole system at work without any server (ARGS="--once --json")
	@$(MANAGE) demo --follow-parent $(ARGS)

run: $(RUNTIME) ## Serve the web application on port 8000
	@$(MANAGE) migrate --no-input >&2
	@$(BIN)/gunicorn elm_project.wsgi --no-control-socket --bind 127.0.0.1:8000 --worker-class gthread --threads 8 $(ARGS)

worker: $(RUNTIME) ## Run a Celery worker
	@$(BIN)/celery -A elm_project worker --loglevel INFO --without-gossip --without-mingle $(ARGS)

beat: $(RUNTIME) ## Run Celery's clock, once per installation
	@$(BIN)/celery -A elm_project beat --loglevel INFO $(ARGS)

flower: $(RUNTIME) ## Watch the workers with Flower on port 5555 (needs Redis)
	@$(BIN)/celery -A elm_project flower --address=127.0.0.1 $(ARGS)

format: $(DEV) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet .; $(BIN)/ruff format .

lint: $(DEV) ## Look for mistakes and unformatted code (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## Check the types (mypy, strict)
	$(BIN)/mypy $(PACKAGES)

imports: $(DEV) ## Check the layering (import-linter)
	$(BIN)/lint-imports

migrations: $(DEV) ## Check that the migrations are up to date
	$(MANAGE) makemigrations --check --dry-run

deploy: $(DEV) ## Check the settings of a sample production installation
	@echo "manage.py check --deploy, as in tests/production.env"
	@export $$(grep -v '^#' tests/production.env); $(MANAGE) check --deploy --fail-level WARNING

audit: $(DEV) ## Ask whether a locked package was withdrawn or has a known vulnerability
	@$(BIN)/python requirements/audit.py

sbom: $(DEV) ## Write the bill of materials of what is locked (CycloneDX) to sbom.cdx.json
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file sbom.cdx.json

check: lint types imports migrations deploy audit ## Everything that is checked without running the tests

test: $(DEV) ## Run the tests on SQLite, PostgreSQL and Redis, and the coverage gates (ARGS for pytest)
	@$(BIN)/python -m tests.lanes $(ARGS)

restore-drill: $(RUNTIME) ## Restore a backup beside the database, verify it, log how long it took (ARGS="--json")
	@$(MANAGE) restore_drill $(ARGS)

assurance: $(DEV) ## Meet every fault at full size, take out every guard, live through months; writes docs/assurance.md
	@$(BIN)/python -m tests.assurance $(ARGS)

docs: $(RUNTIME) ## Write docs/fields.md anew from the table of fields
	@$(MANAGE) fields --markdown > docs/fields.md

screenshots: $(DEV) ## Take the pictures in docs/images anew, from the browser tests
	@ELM_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/flows/test_browser_walk.py tests/flows/test_notifications_walk.py

selfcheck: $(DEV) ## Drive the simulator of the Microsoft cloud with Microsoft's own SDKs
	@$(BIN)/python -m simulator --selfcheck

lock: $(DEV) ## Choose the versions anew and lock them with hashes
	$(LOCK) --upgrade pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) --upgrade --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	echo uv | $(LOCK) --upgrade - --output-file requirements/uv.txt
