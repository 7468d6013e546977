# Two commands do everything on a fresh machine: `make run` and `make test`. Needs Python 3.11+, make, git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PERIOD := 2025-10

.PHONY: run demo-dip test lint bench wheel lock docs clean

run: $(READY)  ## set up, run the demo month of the three regions on the embedded data, show where the results are
	$(BIN)/drgdip run demo-rate --period $(PERIOD) --out out
	$(BIN)/drgdip run demo-points --period $(PERIOD) --out out
	$(BIN)/drgdip run demo-dip --period $(PERIOD) --out out

# The catalogue of demo-dip, from three invented years: what is built must be what stands in data/schemes.
DIP_DRAFT := build/demo-dip
demo-dip: $(READY)  ## build the catalogue of demo-dip from history, as an agency would, and compare
	rm -rf $(DIP_DRAFT)
	mkdir -p $(DIP_DRAFT)
	$(BIN)/drgdip synth $(DIP_DRAFT)/history --mix dip --cases 600000 --months 2022-01..2024-12 --seed 20
	$(BIN)/drgdip calibrate dip-catalogue --history $(DIP_DRAFT)/history --region demo-dip --as demo-dip-2025 \
		--library dip-2.0 --rules configs/regions/demo-dip/catalogue-rules.yaml --effective-from 2025-01-01 \
		--out $(DIP_DRAFT)/demo-dip-2025
	for table in core pooled exclusions coefficients auxiliary auxiliary_lists; do \
		cmp $(DIP_DRAFT)/demo-dip-2025/$$table.csv data/schemes/demo-dip-2025/$$table.csv || exit 1; done
	@echo "目录与 data/schemes/demo-dip-2025 逐字节相同；依据见 $(DIP_DRAFT)/demo-dip-2025/evidence.csv"

test: $(READY)  ## set up and pass the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(READY)  ## style, types, and which way the imports run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## large and long: speed, memory, and the slow tests
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -m slow -s
	$(BIN)/python tests/bench/bench.py

wheel: $(READY)
	$(BIN)/python -m build --wheel --no-isolation

docs: $(READY)  ## pages that are made from the code
	$(BIN)/python -m pipeline.findings > docs/findings.md
	$(BIN)/python -m pipeline.region_draft > docs/areas.md
	$(BIN)/drgdip regions schema > configs/region.schema.json

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
