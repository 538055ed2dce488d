# Everything one does with this tree. `make help` lists it. Needs Python >= 3.11, make and git.

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
BIN := .venv/bin
PORT ?= 5000

.PHONY: help run demo test test-all test-nodes test-pythons conformance lint types arch check audit bench dist site screenshots format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/.core ## start the registry on port 5000 (PORT=…), data in careen-data/
	@$(BIN)/careen serve --port $(PORT)

demo: .venv/.core ## sixty days of pushes, a policy, its preview, the run, the bytes back; then it serves
	@$(BIN)/careen demo --port $(PORT)

test: .venv/.dev ## the tests: minutes
	$(BIN)/pytest -n auto -m "not slow"

test-all: .venv/.dev ## the tests with the slow campaigns
	$(BIN)/pytest -n auto

# The others touch neither rows nor bytes, or bring databases and buckets of their own.
ON_NODES := $(addprefix tests/,registry distribution ecrapi iamapi replication pull_through scanners pins importing clients cli console \
  doctor security db) $(wildcard tests/test_*.py)

test-nodes: .venv/.dev ## the tests of whatever is stored, on PostgreSQL and S3
	$(BIN)/pytest -n auto -m "not slow" --database=postgresql --blobs=s3 $(ON_NODES)

test-pythons: .venv/.dev ## the core of the tests on every version of Python that is supported and installed
	UV=$(UV) $(BIN)/python -m release.pythons

conformance: .venv/.dev ## the official OCI distribution conformance suite; report in results/conformance/
	$(BIN)/pytest -q tests/conformance
	@cat results/conformance/summary.txt 2>/dev/null || true

check: lint types arch ## lint, types and import directions

lint: .venv/.dev ## ruff
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.dev ## mypy, strict
	$(BIN)/mypy

arch: .venv/.dev ## import directions (import-linter)
	$(BIN)/lint-imports

audit: $(UV) ## known vulnerabilities of what uv.lock names, from OSV: needs api.osv.dev
	$(UV) audit --frozen

dist: .venv/.dev ## a release of this commit: sdist, wheel, bill of materials, SHA256SUMS; in results/dist/
	UV=$(UV) $(BIN)/python -m release

bench: .venv/.dev ## policies beside SQL and a dataframe, then the registry beside CNCF distribution, where it is installed
	-$(BIN)/python -m benchmarks.lifecycle --json results/bench-lifecycle.json
	-$(BIN)/python -m benchmarks.collection --json results/bench-collection.json
	-$(BIN)/python -m benchmarks.console --json results/bench-console.json
	-$(BIN)/python -m benchmarks.fleet
	-$(BIN)/python -m benchmarks.nodes --json results/bench-nodes.json
	-$(BIN)/python -m benchmarks.startup --json results/bench-startup.json
	$(BIN)/python -m benchmarks --json results/bench.json

site: .venv/.dev ## the documentation as a site, in results/site/; a broken link is an error
	@$(BIN)/python docs/website.py

screenshots: .venv/.dev ## pictures of every page of the console, wide and narrow, light and dark; in results/screenshots/
	$(BIN)/pytest -q tests/console/test_pages.py -k everybody_can_use_it

format: .venv/.dev ## put the code into shape
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format

clean: ## remove environments and caches, not data
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache results

.uv/bin/uv:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Careen needs Python 3.11 or newer"; exit 1; }
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv

.venv/.core: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --quiet --frozen --compile-bytecode --inexact --no-default-groups
	@touch $@

.venv/.dev: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --quiet --frozen --compile-bytecode --group dev
	@touch $@ .venv/.core
