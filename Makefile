# Everything a fresh machine with Python 3.11 or newer, make and git needs. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCE := $(shell find src -name '*.py' -o -name '*.lark' -o -name '*.toml')
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help demo test check unit soak mutants bench bundle docs lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.installed ## watch an outage being recovered, on this machine, without an AWS account
	@$(BIN)/retry-run-task demo

test: check unit ## run every check and every test

check: $(VENV)/.developed ## lint, types, and the contracts between the packages
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: $(VENV)/.developed .venv-infra/.installed .venv-ministack/.installed ## run the tests against the installed wheel and the built zip
	$(BIN)/pytest -q -n auto

soak: $(VENV)/.developed ## play simulated stories with fresh numbers for TIME seconds; SEASON=n plays those of one again
	$(BIN)/python tools/soak.py $(if $(SEASON),--season $(SEASON),--time $(or $(TIME),60))

mutants: $(VENV)/.developed ## change the code in ways that the tests must notice, and see that they do
	$(BIN)/python tools/mutants.py

bench: $(VENV)/.developed ## measure speed, start-up and memory, as ratios in one run
	$(BIN)/python bench/bench.py

bundle: build/lambda.zip ## build the zip that runs in Lambda; POLICY=policy.toml puts your own policy in it
ifdef POLICY
	@$(BIN)/python tools/bundle.py build/lambda.zip --policy $(POLICY)
endif

docs: $(VENV)/.developed .venv-infra/.installed ## write the generated pages again from the code and the template
	$(BIN)/python tools/reference.py
	.venv-infra/bin/python tools/permissions.py

lock: $(VENV)/.developed ## resolve the pinned versions again (uv writes them; pip installs them)
	$(BIN)/pip install --quiet uv
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/run.txt
	$(UV_COMPILE) pyproject.toml requirements/build.in requirements/dev.in -c requirements/run.txt -o requirements/dev.txt
	$(UV_COMPILE) requirements/lambda.in -c requirements/run.txt -o requirements/lambda.txt \
		--no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer --no-emit-package urllib3
	$(UV_COMPILE) requirements/infra.in -o requirements/infra.txt
	$(UV_COMPILE) requirements/ministack.in -o requirements/ministack.txt
	$(UV_COMPILE) --no-deps requirements/rie.in -o requirements/rie.txt

clean: ## remove everything that was built or installed
	rm -rf $(VENV) .venv-* build dist

# The lists of versions are whole, so pip resolves nothing (--no-deps): what it resolved beside them would be newer.

# What checks the template and the Terraform module, and MiniStack: each pins its own boto3, so it lives by itself.
.venv-%/.installed: requirements/%.txt
	@echo "Installing the pinned packages of $< into $(@D) ..."
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

# The package is installed as the wheel that users get, not as a link to the source tree.
$(VENV)/.installed: $(VENV)/.locked-run build/lambda.zip infra/template.yaml tools/wheel.py pyproject.toml README.md
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --no-index --force-reinstall .
	@touch $@

$(VENV)/.developed: $(VENV)/.locked-dev $(VENV)/.installed
	@touch $@

$(VENV)/.locked-%: requirements/%.txt | $(BIN)/pip
	@echo "Installing the pinned packages of $< into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

build/lambda.zip: requirements/lambda.txt tools/bundle.py $(SOURCE) | $(BIN)/pip
	@$(BIN)/python tools/bundle.py $@
