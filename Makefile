# Katydid's tasks. Each makes the environment it needs in .venv, says what it installs, and is quick when that stands.
#
#   make demo     a simulated night through the real pipeline, with a report at the end
#   make test     the whole suite (what the README promises is tested here); on real servers too, where they are built
#   make servers  Kafka's jars and InfluxDB's binary, into the user's cache folder; says what is missing for them
#   make check    format, lint, types, one-way imports
#   make bench    ratios against the hardware's limit and against peers
#   make chaos    10,000 captures through a real Kafka and InfluxDB under 32 faults (a quarter of an hour)
#   make soak     100,000 captures, and a month of twenty stations: memory stays flat (an hour)
#   make clean    remove the environment

PYTHON ?= python3
VENV := .venv
# On Windows without a Unix make, use the pip lines of the README instead.
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := demo
.PHONY: demo test test-all check bench chaos soak clean format servers

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "katydid needs Python 3.11 or later; set PYTHON=/path/to/python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

# The base install: what a user gets. About 750 MB on disk, of which OpenCV, ONNX Runtime, pyarrow and DuckDB are most.
$(VENV)/base.ready: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing katydid and its base packages into $(VENV) (about 750 MB on disk, once) ..."
	@$(PIP) install -c constraints.txt -e .
	@touch $@
	@du -sh $(VENV) | sed 's/\t.*/ in $(VENV) now/'

# Tools for tests, the Kafka host and the birdnet extra (BirdNET's weights come in a package). About 800 MB more.
$(VENV)/dev.ready: $(VENV)/base.ready
	@echo "installing the test tools, the kafka, birdnet and record extras into $(VENV) (about 800 MB on disk, once) ..."
	@$(PIP) install -c constraints.txt -e '.[dev,kafka,birdnet,record]'
	@touch $@
	@du -sh $(VENV) | sed 's/\t.*/ in $(VENV) now/'

demo: $(VENV)/base.ready
	@$(BIN)/katydid demo

# What is longer than a few seconds runs too; `make test FAST=1` leaves that out. MARKED="servers" runs what needs real
# servers alone, MARKED="not servers" all the rest.
MARKED := $(if $(FAST),not slow,)
test: $(VENV)/dev.ready
	@$(BIN)/python -m pytest -q $(if $(MARKED),-m "$(MARKED)",)

# Needs Java and Maven for Kafka; Go, Rust and a C compiler for InfluxDB. Quick when they are there.
servers: $(VENV)/dev.ready
	@$(BIN)/python deploy/server.py build

format: $(VENV)/dev.ready
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

check: $(VENV)/dev.ready
	@$(BIN)/ruff format -q --check .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/dev.ready
	@$(BIN)/python benchmarks/run_all.py

# The same for longer: make chaos N=1000000 FAULTS=200 MINUTES=600. SEED=… plays one again.
chaos: $(VENV)/dev.ready
	@$(BIN)/python deploy/server.py build
	@PYTHONPATH=tests:deploy $(BIN)/python -m chaos.oracle --captures $(or $(N),10000) --faults $(or $(FAULTS),32) \
		--minutes $(or $(MINUTES),13) $(if $(SEED),--seed $(SEED),)

soak: $(VENV)/dev.ready
	@$(BIN)/python benchmarks/memory_soak.py --captures 100000
	@$(BIN)/python benchmarks/season_soak.py

clean:
	rm -rf $(VENV)
