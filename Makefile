# make demo | demo-table | predict PHOTOS=... | app | test | lint: each sets up .venv by itself; running one twice
# installs nothing again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo demo-table predict app test lint

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("mtl needs Python 3.11 or newer: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# One stamp per extra: made when the extra is installed, made again when setup.py changes.
$(VENV)/installed-%: setup.py | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[$*]'
	touch $@

demo: $(VENV)/installed-report
	$(BIN)/python launch.py --config=configs/demo.py --workdir=artifacts/demo
	$(BIN)/python launch.py --job=report --workdir=artifacts/demo

demo-table: $(VENV)/installed-report
	$(BIN)/python launch.py --config=configs/demo_table.py --workdir=artifacts/demo_table
	$(BIN)/python launch.py --job=report --workdir=artifacts/demo_table

# With the network in artifacts/pretrained; the page is runs/predictions/predictions.html.
predict: $(VENV)/installed-photos
	$(BIN)/python launch.py --job=predict --photos='$(PHOTOS)'

app: $(VENV)/installed-photos
	$(BIN)/python launch.py --job=app

# loadfile: what a file sets up once, one process sets up; files go out in the order of tests/conftest.py.
test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed-lint $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
