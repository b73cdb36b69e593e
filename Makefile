# Two commands do all the set-up: `make up` runs the demonstration, `make test` passes the tests.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

.PHONY: up test check bench clean
up: .venv/apps.done
	$(BIN)/python -m apps.demo $(ARGS)

test: .venv/test.done
	$(BIN)/python -m pytest -n auto --maxschedchunk 2 $(ARGS)

check: .venv/check.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/typing tests/test_circles.py

bench: .venv/bench.done
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv .rota

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; name a Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/usr/bin/python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rota needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

# One stamp an extra, renewed when the project's dependencies change.
.venv/%.done: pyproject.toml | .venv/bin/python
	@echo "Installing what \`make $(MAKECMDGOALS)\` needs into .venv; the first time, that takes a minute or two."
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[$*,postgres]'
	@touch $@
