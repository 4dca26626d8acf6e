# Everything below sets itself up: it needs Python 3.11+, make and a C library, and leaves nothing
# outside this folder but the caches of pip and matplotlib.
PYTHON ?= python3
BIN := .venv/bin
# Two processes, a file of tests to each; their networks take one core each, or they would wait for each other's threads.
# In the order of folders, e2e and integration before unit: by the number of tests, the longest files would come last.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: help install kubeflow demo down test test-slow branches check lint types contracts policies docs bench clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: .venv/installed ## the environment in .venv, with the exact versions of constraints.txt

.venv/installed: pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); AugmentOps needs Python 3.11 to 3.13: make PYTHON=python3.11 …" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

kubeflow: .venv-kubeflow/installed ## kfp in .venv-kubeflow, with the exact versions of constraints-kubeflow.txt: it does not install beside the rest

# kfp alone: what it runs are the commands of .venv.
.venv-kubeflow/installed: constraints-kubeflow.txt | install
	$(PYTHON) -m venv .venv-kubeflow
	.venv-kubeflow/bin/pip install --quiet --constraint constraints-kubeflow.txt kfp
	@touch $@

demo: install ## Airflow and MLflow here, one run of the pipeline on the digits, the decision; Ctrl-C ends it
	@$(BIN)/augment-ops demo

down: install ## end what `make demo` or `augment-ops up` left running
	@$(BIN)/augment-ops down

# mypy beside the tests, which do not keep two cores busy all the time: before them, it left one idle for its minute.
test: install lint contracts policies ## lint, types, import contracts and every fast test; those in a browser where Chromium is installed
	mkdir -p build
	$(BIN)/mypy >build/mypy.txt & types=$$!; $(PYTEST) -m "not slow"; tests=$$?; \
	  wait $$types; types=$$?; cat build/mypy.txt; exit $$((types + tests))

test-slow: install kubeflow ## kill -9 in the middle of runs, every delivery mode with every kind of worker, the ledger under load, Kubeflow
	$(PYTEST) -m slow

branches: install ## how many branches of each room the unit tests take; they take half as long again when they are followed
	$(PYTEST) -m "not slow" --branches tests/unit

check: lint types contracts policies ## without tests

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports --no-logo

policies: install ## limits honoured, no published version changed
	$(BIN)/augment-ops policy validate

docs: install ## the documentation as a site, in build/docs/
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

bench: install ## engine and loader side by side; with DATA=fashion_mnist_images.tar.gz the whole pipeline as well
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	$(BIN)/python -W ignore benchmarks/engine.py
	$(BIN)/python -W ignore benchmarks/loader.py
	$(if $(DATA),$(BIN)/python benchmarks/fashion_mnist.py $(DATA))

clean: down ## state and caches; the environment stays
	rm -rf var build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
