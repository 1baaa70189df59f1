# `make check` is what CI runs. `make check RUN=` uses the environment that is active already.
UV ?= .uv/bin/uv
RUN ?= $(UV) run --group dev
NEEDS := $(filter .uv/bin/uv,$(RUN))

.PHONY: check style format lint types contracts tests coverage wheel clean

check: style tests

style: lint types contracts

lint: | $(NEEDS)
	$(RUN) ruff format --check
	$(RUN) ruff check

types: | $(NEEDS)
	$(RUN) mypy

contracts: | $(NEEDS)
	$(RUN) lint-imports

tests: | $(NEEDS)
	$(RUN) pytest

coverage: | $(NEEDS)
	$(RUN) coverage run -m pytest
	$(RUN) coverage combine
	$(RUN) coverage report

format: | $(NEEDS)
	$(RUN) ruff format
	$(RUN) ruff check --fix

wheel: | $(NEEDS)
	$(UV) build --wheel

clean:
	rm -rf build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.uv/bin/uv:
	python3 -m pip install -qq --target .uv uv
