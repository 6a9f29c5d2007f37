# Each target sets up what it needs in .venv, once. A machine needs Python 3.10 or newer, git and make.

.PHONY: demo test lint soak bench lab constraints clean
.DEFAULT_GOAL := test

BIN := .venv/bin

# The first of these that is 3.10 or newer and can make virtual environments is used; `make PYTHON=...` says which.
PYTHON ?= python3 python3.13 python3.12 python3.11 python3.10

# uv takes 7 s where pip takes 40 s. It reads no pip.conf, though: where it finds no package index, pip is asked.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python --link-mode copy --system-certs
INSTALL = $(UV) -c constraints.txt -e '.[$(1)]' \
	|| { echo "uv could not install it; asking pip." >&2; $(PIP) -c constraints.txt -e '.[$(1)]'; }

demo: .venv/dev  # answer two questions about the standard library in a real kernel, with no key
	$(BIN)/python docs/examples/demo.py

test: .venv/dev  # run the tests
	$(BIN)/python -m pytest

lint: .venv/dev  # check style, types, import directions and the pinned versions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@! grep -nE '://| @ ' constraints.txt || { echo "constraints.txt must name versions, not addresses." >&2; exit 1; }

soak: .venv/dev  # kill kernels 100 times and servers 20 times in the middle of runs; takes half an hour
	RLM_JUPYTER_SOAK=20 $(BIN)/python -m pytest tests/server/test_kills.py

bench: .venv/bench  # measure against PyPI's rlms, in the same run
	$(BIN)/python tests/benchmarks/run.py

lab: .venv/lab  # open the examples in JupyterLab
	$(BIN)/jupyter lab --notebook-dir docs/examples

constraints: $(BIN)/uv  # pin the newest versions that fit pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --system-certs --no-emit-index-url --universal --no-annotate --no-header \
		--python-version 3.10 --all-extras pyproject.toml --output-file constraints.txt

clean:  # remove all that was made here, .venv too
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/dev .venv/bench .venv/lab: .venv/%: $(BIN)/uv pyproject.toml constraints.txt
	@echo "Installing rlm-jupyter with its $* tools into .venv"
	@$(call INSTALL,$*)
	@touch $@

$(BIN)/uv:
	@found=; \
	for python in $(PYTHON); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue; \
		found=$$python; \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
		echo "Making .venv with $$("$$python" --version)"; \
		"$$python" -m venv --clear .venv && $(PIP) -c constraints.txt uv; \
		exit; \
	done; \
	if [ -n "$$found" ]; then \
		echo "$$found cannot make virtual environments: install its venv module (Debian, Ubuntu: python3-venv)." >&2; \
	else \
		echo "rlm-jupyter needs Python 3.10 or newer, and none of these is one: $(PYTHON)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	fi; \
	exit 1
