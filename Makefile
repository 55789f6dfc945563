# Every target works from a fresh clone; `make help` lists them. Python >= 3.11 is all you need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := .ci/requirements.lock
READY := $(VENV)/.installed
DEMO_READY := $(VENV)/.demo-installed
# Two workers a core, since the tests wait about half of their time: for processes, disks, locks.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
# One cell of the range of versions: a series (3.0), `lowest`, or nothing for the newest.
ALL ?=
FLASK ?=
SQLALCHEMY ?=
STRIPE ?=
# sqlite or postgresql; nothing for both.
DATABASE ?=
CELL := all=$(ALL) flask=$(FLASK) sqlalchemy=$(SQLALCHEMY) stripe=$(STRIPE)
empty :=
RANGE := .venv-range/$(subst $(empty) ,-,$(subst /,-,$(subst =,,$(strip $(PYTHON) $(filter-out %=,$(CELL))))))
RANGE_READY := $(RANGE)/.installed
RANGE_TESTS ?= tests/test_*.py tests/webhooks tests/web tests/sandbox
# What Stripe says becomes facts, facts become grants, and each rule that the credits have to keep.
FAST_TESTS := tests/webhooks $(addprefix tests/test_,$(addsuffix .py, \
  money strict_json stripe_objects errors config facts fulfillment invariants constraints \
  append_only databases tree))
# `make test PYTEST_ARGS="-x tests/web"` passes anything else on.
PYTEST_ARGS ?=
COVERAGE := $(if $(COV),--cov --cov-report=term-missing:skip-covered)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo install lock test test-fast test-range test-lowest test-outside soak bench check format format-check lint types layers spelling docs catalogue drawings translations screenshots wheel release-check audit hooks clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_READY) ## Start the example app and the sandbox (PORT=5000 SANDBOX_PORT=5001)
	@$(BIN)/python -m example_app.demo

install: $(READY) ## Make .venv with everything for working on the package, as locked

lock: $(READY) ## Write .ci/requirements.lock for pyproject.toml (UPGRADE=1 takes all new versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) \
	  --group dev --output-file $(LOCK) pyproject.toml

test: $(READY) ## Run the whole suite on all cores (COV=1 measures coverage)
	$(PYTEST) --durations=15 $(COVERAGE) $(PYTEST_ARGS)

test-fast: $(READY) ## Run what decides on money, on both databases, in less than a minute
	$(PYTEST) $(FAST_TESTS) $(PYTEST_ARGS)

test-range: $(RANGE_READY) ## Run the core tests with FLASK=3.0 SQLALCHEMY=2.0 STRIPE=lowest DATABASE=sqlite
	$(RANGE)/bin/python -m pytest -n $(WORKERS) -p no:cacheprovider \
	  $(if $(DATABASE),--database $(DATABASE)) $(RANGE_TESTS) $(PYTEST_ARGS)

test-lowest: ## Run the core tests with the lowest versions that pyproject.toml allows
	$(MAKE) test-range ALL=lowest

test-outside: $(READY) ## Hold the sandbox against what Stripe publishes (fetches it; skipped without a network)
	$(BIN)/python -m pytest --outside -rs $(PYTEST_ARGS)

soak: $(READY) ## Run the long tests and print their figures (SOAK_SCALE=0.1 tries a tenth)
	$(PYTEST) --soak $(PYTEST_ARGS)

bench: $(READY) ## Measure against handlers written by hand, into docs/explanation/performance.md (BENCH=scale)
	$(BIN)/python -m tests.benchmarks $(BENCH)

check: format-check lint types layers spelling docs wheel test ## Run all that has to pass before a commit

format: $(READY) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

format-check: $(READY)
	$(BIN)/ruff format --check

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/zizmor --offline --quiet .github

# pyright looks at the package that the Python on PATH would import, as a user's editor does.
types: $(READY)
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes flask_stripe_credits --ignoreexternal

layers: $(READY)
	$(BIN)/lint-imports

spelling: $(READY)
	$(BIN)/codespell

docs: $(READY) ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html

catalogue: $(READY) ## Write docs/reference/faults.md from tests/catalogue.toml and the tests' names
	$(BIN)/python -m tests.catalogue

drawings: $(READY) ## Draw docs/explanation/pictures anew: the floors of pyproject.toml, a delivery
	$(BIN)/python -m tests.drawings

translations: $(READY) ## Put new texts of the pages into their catalogues, and compile these
	$(BIN)/python -m tests.translations

screenshots: $(READY) ## Take the pictures in docs/how-to/pictures anew (needs Chromium and ports 5000, 5001)
	$(BIN)/python -m tests.screenshots

wheel: $(READY) ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build --no-isolation --outdir dist

release-check: $(READY) ## See that the last commit can be released (TAG=vX.Y.Z), and build it twice into dist/
	$(BIN)/python -m tests.release_check $${TAG:+--tag "$$TAG"}

audit: $(READY) ## Ask which locked packages have known holes (STRICT=1 fails if nobody can be asked)
	$(BIN)/python -m tests.audit $(if $(STRICT),--strict)

hooks: $(READY) ## Let git run the quick checks before each commit
	$(BIN)/pre-commit install

clean: ## Remove everything that was built, and .venv (the demo's data in .demo stays)
	rm -rf $(VENV) .venv-range build dist docs/_build .coverage .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, but '$(PYTHON)' isn't:" >&2; $(PYTHON) --version >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The locked files and no others, whatever the index says today.
$(READY): pyproject.toml $(LOCK) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes --requirement $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY) $(DEMO_READY)

# Not locked, on purpose: these are the versions that a host gets today, or may still have.
# Dependency groups are read by pip 25.1 and newer; a fresh Python may bring an older one.
$(RANGE_READY): pyproject.toml tests/version_range.py
	$(PYTHON) -m venv $(RANGE)
	$(PYTHON) tests/version_range.py $(CELL) >$(RANGE)/constraints.txt
	$(RANGE)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(RANGE)/bin/python -m pip install --quiet --no-compile --editable . --group test \
	  --constraint $(RANGE)/constraints.txt
	@touch $(RANGE_READY)

$(DEMO_READY): pyproject.toml example_app/requirements.txt | $(BIN)/python
	@echo "Installing the package and what the demo needs into $(VENV) …"
	$(BIN)/python -m pip install --quiet --no-compile --editable . \
	  --requirement example_app/requirements.txt
	@touch $(DEMO_READY)
