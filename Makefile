# What people and CI run. `make` alone lists it.

PYTHON ?= python3
PARTS  ?= tests
BIN    := .venv/bin
LOCK   := toolchain/python/requirements.lock
POOL   := toolchain/python/pool.lock
LABS   := toolchain/python/labs.lock
UV     := toolchain/python/uv.lock
ENVIRONMENT := toolchain/python/environment.py
LAB    ?= up
# Most tests wait for engines most of the time, so more of them run than there are cores.
BESIDE ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# A file of tests shares its engines, so it stays with one worker; the order is tests/conftest.py's.
PARALLEL = --numprocesses $(BESIDE) --dist loadfile --no-loadscope-reorder
# Each worker reads all tests, and compiling them takes it most of that time.
define PYTEST
@tar -xkf $(COMPILED) 2>/dev/null || true
@$(BIN)/python -m pytest $(PARALLEL) $(1)
@ls $$(find tests -name '*.py' | sed 's,[^/]*$$,__pycache__/&,; s,py$$,*-pytest-*.pyc,') 2>/dev/null | \
    tar -cf $(COMPILED).$$$$ -T - && mv $(COMPILED).$$$$ $(COMPILED)
endef
RESOLVE = $(BIN)/uv pip compile --quiet --system-certs --universal --generate-hashes \
    --no-emit-index-url --no-annotate --no-header --python-version 3.11

# What is built once, for every checkout.
CACHE := $(or $(VDC_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vdc)
# What mypy found out, for a checkout that has run it never.
TYPES := $(CACHE)/mypy
# The tests as pytest compiled them; it knows each again by the sum of its text.
COMPILED := $(CACHE)/tests.tar

# A program that compiles its modules at every start takes seconds to begin.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help up down test check lint test-long bench labs lab-libvirt lab-ssh lab-openstack lab-aws \
        toolchain release schemas lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv toolchain ## Start the local data centre; ends with the addresses of its pool
	@echo "==> Starting the local data centre"
	@$(BIN)/vdc up --yes

down: .venv ## Stop it and remove all that it made
	@echo "==> Removing the local data centre"
	@$(BIN)/vdc destroy --yes

test: lint labs ## Everything but the tests that take minutes
	@echo "==> Running all tests that are not marked long"
	$(call PYTEST,-m "not long")

check: lint ## Format, lint, types and the fast tests
	@echo "==> Running the tests that start no engine"
	$(call PYTEST,-m "not real and not long")

lint: .venv
	@echo "==> Checking format, lint, types and published schemas"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@test -d .mypy_cache || cp -R $(TYPES) .mypy_cache 2>/dev/null || true
	@$(BIN)/mypy
	@test -e .mypy_cache/.given || { cp -R .mypy_cache $(TYPES).$$$$ && rm -rf $(TYPES) && \
	    mv $(TYPES).$$$$ $(TYPES) && touch .mypy_cache/.given; }
	@$(BIN)/python -m vdc.declaration.schema --check
	@$(BIN)/python -m vdc.library.schema --check

test-long: labs ## The tests that take minutes (PARTS="tests/pool …" for some)
	@echo "==> Running the tests marked long in $(PARTS)"
	$(call PYTEST,-m long $(PARTS))

bench: labs ## The measurements in tests/bench
	@set -e; for program in tests/bench/*.py; do \
	    echo "==> Measuring with $$program"; $(BIN)/python "$$program"; \
	done

labs: .venv/.labs toolchain ## What the labs need of the system and of Python
	@echo "==> Making sure of what the labs need of this system"
	@sh tests/labs/packages.sh

lab-libvirt: labs ## Two libvirt hosts on one network, by hand; LAB=down removes them
	@cd tests && ../$(BIN)/python -m labs.libvirt $(LAB)

lab-ssh: labs ## Two machines with an SSH server, by hand; LAB=down removes them
	@cd tests && ../$(BIN)/python -m labs.ssh $(LAB)

lab-openstack: labs ## A real OpenStack with no hypervisor, by hand; LAB=down removes it
	@cd tests && ../$(BIN)/python -m labs.openstack $(LAB)

lab-aws: labs ## AWS's API by moto, by hand; LAB=down removes it
	@cd tests && ../$(BIN)/python -m labs.aws $(LAB)

toolchain: .venv ## Pulumi and Nomad at their pins: from PATH, a release or source
	@echo "==> Making sure of the Pulumi CLI and Nomad"
	@$(BIN)/python -m vdc.toolchain install

release: .venv toolchain ## What servers of their own install, into dist/
	@echo "==> Making wheelhouses and servers' software in dist/"
	@eval "$$($(BIN)/vdc env)" && $(BIN)/python -m vdc.provider.release --arch amd64 --arch arm64 --into dist

schemas: .venv ## Write schemas/ from the models
	@echo "==> Writing schemas/ from the models"
	@$(BIN)/python -m vdc.declaration.schema
	@$(BIN)/python -m vdc.library.schema

lock: .venv ## Resolve the Python dependencies again
	@echo "==> Resolving $(LOCK), $(POOL), $(LABS) and $(UV)"
	@$(RESOLVE) --upgrade --extra dev --extra ssh --output-file $(LOCK) pyproject.toml
	@$(RESOLVE) --upgrade --constraint $(LOCK) --group pyproject.toml:pool --output-file $(POOL)
	@$(RESOLVE) --upgrade --constraint $(LOCK) --output-file $(LABS) $(LABS:.lock=.in)
	@$(RESOLVE) --upgrade --group pyproject.toml:install --output-file $(UV)

clean: ## Remove the environment and what tools left; engines stay in the user's cache
	@echo "==> Removing .venv and the caches of the tools"
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp, and not the folder, says that the environment is whole.
.PHONY: .venv
.venv: .venv/.complete

.venv/.complete: $(LOCK) $(UV) pyproject.toml $(ENVIRONMENT)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "vdc needs Python 3.11 or newer, and $(PYTHON) is not; say make PYTHON=…" >&2; exit 1; }
	@echo "==> Making the Python environment in .venv, a minute the first time"
	@$(PYTHON) $(ENVIRONMENT) $(CACHE)/python $(UV) $(LOCK)
	@touch $@

# Built from source against the system's libvirt, so it is no part of the environment of `make up`.
.venv/.labs: $(LABS) .venv/.complete
	@echo "==> Making sure of what the labs need of this system"
	@sh tests/labs/packages.sh
	@echo "==> Making the Python environment with what the labs need, a minute the first time"
	@$(PYTHON) $(ENVIRONMENT) $(CACHE)/python $(UV) $(LOCK) $(LABS)
	@touch .venv/.complete $@
