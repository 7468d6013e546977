# Two commands do everything on a fresh machine: `make run` and `make test`. Needs Python 3.11+, make, git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PERIOD := 2025-10

.PHONY: run test lint bench wheel lock docs clean

run: $(READY)  ## set up, run the demo month on the embedded data, show where the results are
	$(BIN)/drgdip run demo-rate --period $(PERIOD) --out out

test: $(READY)  ## set up and pass the tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(READY)  ## style, types, and which way the imports run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## large and long: speed, memory, and the slow tests
	$(BIN)/python -m pytest -m slow -s
	$(BIN)/python tests/bench/bench.py

wheel: $(READY)
	$(BIN)/python -m build --wheel --no-isolation

docs: $(READY)  ## pages that are made from the code
	$(BIN)/python -m pipeline.findings > docs/findings.md

lock:  ## renew the lock file after a change of pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

# The environment follows the lock file; the package itself is installed in place.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "需要 Python 3.11 或更新版本")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) out build dist
