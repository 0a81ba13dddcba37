.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-faults fuzz check audit lint plants bench soak crd docs cast lock run clean

PYTHON ?= python3
MESH ?= istio
ARGS ?=
EXAMPLES ?= 7200
SEEDS ?= 60
MINUTES ?= 60
BIN := .venv/bin
INSTALLED := .venv/.installed

# Hundreds of processes are started, and without its bytecode each would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Ship a good and a bad version on this machine (MESH=istio)
	$(BIN)/canary demo --mesh $(MESH) $(ARGS)

# Three workers on two processors: the two on a control plane wait for much of their time.
test: $(INSTALLED) ## Run the tests (ARGS="tests/rollout -k pause")
	$(BIN)/pytest -n 3 --dist loadgroup $(ARGS)

# Four workers on two processors: three of them wait most of the time, for control planes and for traffic.
test-faults: $(INSTALLED) ## Rollouts under faults: in memory by the thousand, on a control plane, under traffic (SEEDS=60, or SEEDS==17 to repeat one)
	CANARY_FAULT_SEEDS=$(SEEDS) $(BIN)/pytest -q -n 4 --dist loadgroup tests/faults $(ARGS)

fuzz: $(INSTALLED) ## Feed the readers of what comes from outside a hundred thousand random inputs (EXAMPLES=7200 each)
	CANARY_FUZZ=$(EXAMPLES) $(BIN)/pytest -q -n 2 tests/fuzz $(ARGS)

audit: $(INSTALLED) ## Look the pinned dependencies up for known vulnerabilities
	$(BIN)/python -m tests.audit

check: lint audit ## Lint, check types, and that generated files are up to date
	$(BIN)/mypy
	$(BIN)/canary crd | diff -u manifests/crd.yaml -
	$(BIN)/python -m canary.spec.reference | diff -u docs/annotations.md -
	$(BIN)/python -m canary.telemetry.reference | diff -u docs/metrics.md -
	$(BIN)/python -m canary.spec.resource_reference | diff -u docs/canary-resource.md -
	$(BIN)/python -m canary.lint.reference | diff -u docs/lint.md -
	$(BIN)/python -m canary.rollout.diagram --check
	$(BIN)/python -m tests.slack_transcript --check
	$(BIN)/python -m tests.cast | diff -u docs/watch.md -

lint: $(INSTALLED) ## Check style, format and the layers of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

plants: $(INSTALLED) ## Plant each kept fault and see that the tests catch it (ARGS="name ...")
	$(BIN)/python -m tests.plants.run $(ARGS)

bench: $(INSTALLED) ## Measure what the controller costs, and how soon it answers (minutes)
	$(BIN)/python -m tests.bench queries --write
	$(BIN)/python -m tests.bench --write

soak: $(INSTALLED) ## Run rollouts by the thousand, and see that nothing grows with them (MINUTES=60)
	$(BIN)/python -m tests.soak $(MINUTES)

crd: $(INSTALLED) ## Write manifests/crd.yaml anew
	mkdir -p manifests
	$(BIN)/canary crd > manifests/crd.yaml.new
	mv manifests/crd.yaml.new manifests/crd.yaml
	cp manifests/crd.yaml manifests/install/crd.yaml

docs: $(INSTALLED) ## Write the pages anew that are made from the code: annotations, canary-resource, lint, metrics, slack
	$(BIN)/python -m canary.rollout.diagram --write
	$(BIN)/python -m tests.slack_transcript --write
	$(BIN)/python -m canary.spec.reference > docs/annotations.md.new
	mv docs/annotations.md.new docs/annotations.md
	$(BIN)/python -m canary.telemetry.reference > docs/metrics.md.new
	mv docs/metrics.md.new docs/metrics.md
	$(BIN)/python -m canary.spec.resource_reference > docs/canary-resource.md.new
	mv docs/canary-resource.md.new docs/canary-resource.md
	$(BIN)/python -m canary.lint.reference > docs/lint.md.new
	mv docs/lint.md.new docs/lint.md

cast: $(INSTALLED) ## Write docs/watch.md, what `canary watch` shows, anew
	$(BIN)/python -m tests.cast > docs/watch.md.new
	mv docs/watch.md.new docs/watch.md

lock: $(INSTALLED) ## Pin the newest dependencies that pyproject.toml allows
	$(BIN)/pip-compile --quiet --upgrade pyproject.toml

run: $(INSTALLED) ## Run the controller (ARGS="--prometheus-url ...")
	$(BIN)/canary run $(ARGS)

clean: ## Remove what was built
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
