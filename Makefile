# Everything a fresh machine with Python 3.11 or newer, make and git needs. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCE := $(shell find src -name '*.py' -o -name '*.lark' -o -name '*.toml')
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links

# pytest compiles its tests, with what it says of a failed assertion, and every worker does that again if it may not
# keep the result.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check unit soak prove mutants bench evidence browser bundle docs histories site audit dist distcheck reproducible lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

demo: $(VENV)/.installed ## watch an outage being recovered, on this machine, without an AWS account
	@$(BIN)/retry-run-task demo

test: check unit ## run every check and every test

check: $(VENV)/.developed ## lint, types, and the contracts between the packages
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: build/.compiled $(VENV)/.developed .venv-infra/.installed .venv-ministack/.installed .venv-site/.installed ## run the tests against the installed wheel and the built zip
	@# Twice as many workers as cores, since many tests wait for other processes; who has none left takes another's.
	$(BIN)/pytest -q --dist worksteal -n $$($(BIN)/python -c 'import os; print(2 * (os.cpu_count() or 1))')

# Compiled once, and not by all workers at the same time. What cannot be collected is said by the run itself.
build/.compiled: $(shell find tests -name '*.py') | $(VENV)/.developed
	@mkdir -p build
	@$(BIN)/pytest -q --collect-only > /dev/null 2>&1 || true
	@touch $@

soak: $(VENV)/.developed ## play simulated stories with fresh numbers for TIME seconds; SEASON=n plays those of one again
	$(BIN)/python tools/soak.py $(if $(SEASON),--season $(SEASON),--time $(or $(TIME),60))

prove: $(VENV)/.developed ## search every history of a launch, up to a depth, for one that breaks a rule; TIME seconds for each scope
	$(BIN)/python tools/prove.py --time $(or $(TIME),60)

mutants: .venv-mutants/.installed ## break the code on purpose, and see what no test notices; MODULE=recovery, TIME seconds for each group, AGAIN=1 for survivors
	.venv-mutants/bin/python tools/mutants.py $(if $(MODULE),--module $(MODULE)) $(if $(TIME),--time $(TIME)) $(if $(AGAIN),--again)

bench: $(VENV)/.developed ## measure speed, start-up, memory and growth, and compare the policies
	$(BIN)/python bench/bench.py
	$(BIN)/python bench/growth.py
	$(BIN)/python bench/crowd.py
	$(BIN)/python bench/comparison.py
	$(BIN)/python bench/costs.py

evidence: $(VENV)/.developed ## search waits and orders of rungs in the simulator, and write the result (ten minutes on two cores)
	$(BIN)/python bench/backoff.py

SUDO ?= sudo
# The two slow steps may be stopped, and leave nothing half done; the last one needs no network.
browser: ## install Debian's chromium (as root or with sudo), in which tests open the pages that are made here
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit 0; done; \
		test "$$(id -u)" = 0 || as_root="$(SUDO)"; \
		get="env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends -o Acquire::http::Timeout=20"; \
		$$as_root timeout 120 $$get update && \
		$$as_root timeout 300 $$get install --download-only chromium && \
		$$as_root $$get install --no-download chromium

bundle: build/lambda.zip ## build the zip that runs in Lambda; POLICY=policy.toml puts your own policy in it
ifdef POLICY
	@$(BIN)/python tools/bundle.py build/lambda.zip --policy $(POLICY)
endif

docs: $(VENV)/.developed .venv-infra/.installed ## write the generated pages again from the code and the template
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/licences.py
	$(BIN)/python tools/operations.py
	.venv-infra/bin/python tools/permissions.py
	.venv-infra/bin/python tools/deploying.py

histories: $(VENV)/.developed ## record again the histories that tests of `status` read; a test says when that is needed
	$(BIN)/python tools/histories.py tests/unit/commands/histories

site: .venv-site/.installed ## build the docs site into build/site, and look at every page of it
	.venv-site/bin/python tools/docs_site.py

audit: .venv-audit/.installed ## look for known vulnerabilities in every pinned package (needs the network)
	.venv-audit/bin/python tools/audit.py

dist: $(VENV)/.locked-run .venv-audit/.installed ## build what a release consists of: wheel, sdist, zip, template, SBOM, digests
	$(BIN)/python tools/dist.py build --sbom-with .venv-audit/bin/cyclonedx-py

# dist/ as it is, however it came here: nothing of it is built again. The wheel is tried from a folder that has no
# sources, and then by the tests.
distcheck: .venv-dist/.tried ## try the files in dist/ out, as they are
	.venv-dist/bin/pytest -q tests/infra/test_wheel.py tests/infra/test_bundle.py tests/infra/test_licences.py tests/functional/test_explain.py

dist/SHA256SUMS:
	@echo "dist/ is empty; build it with: make dist" >&2 && exit 2

reproducible: dist ## build the last commit again, in another place and from the sdist, and compare
	@rm -rf build/again && git clone --quiet . build/again
	cd build/again && umask 077 && PYTHONHASHSEED=1 $(CURDIR)/$(BIN)/python tools/dist.py build --sbom-with $(CURDIR)/.venv-audit/bin/cyclonedx-py > /dev/null
	diff -r dist build/again/dist
	@mkdir build/again/sdist && tar -xzf dist/*.tar.gz -C build/again/sdist
	cd build/again/sdist/* && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d wheel > /dev/null 2>&1
	cmp dist/*.whl build/again/sdist/*/wheel/*.whl
	@rm -rf build/again && echo "The same bytes: built twice, and once more from the sdist."

lock: $(VENV)/.developed ## resolve the pinned versions again (uv writes them; pip installs them)
	$(BIN)/pip install --quiet uv
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/run.txt
	$(UV_COMPILE) pyproject.toml requirements/build.in requirements/dev.in -c requirements/run.txt -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml requirements/dev.in requirements/mutants.in -c requirements/dev.txt -o requirements/mutants.txt
	$(UV_COMPILE) requirements/lambda.in -c requirements/run.txt -o requirements/lambda.txt \
		--no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer --no-emit-package urllib3 \
		--no-emit-package awscrt
	$(UV_COMPILE) requirements/infra.in -o requirements/infra.txt
	$(UV_COMPILE) requirements/ministack.in -o requirements/ministack.txt
	$(UV_COMPILE) requirements/site.in -o requirements/site.txt
	$(UV_COMPILE) requirements/audit.in -o requirements/audit.txt
	$(UV_COMPILE) --no-deps requirements/rie.in -o requirements/rie.txt

clean: ## remove everything that was built or installed
	rm -rf $(VENV) .venv-* build dist

# The lists of versions are whole, so pip resolves nothing (--no-deps): what it resolved beside them would be newer.

# What checks the template and the Terraform module, MiniStack, and what builds the site, looks for vulnerabilities or
# breaks the code: each has packages of its own, so it lives by itself.
.venv-%/.installed: requirements/%.txt
	@echo "Installing the pinned packages of $< into $(@D) ..."
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

.venv-dist/.tried: dist/SHA256SUMS requirements/dev.txt
	@rm -rf .venv-dist && $(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python tools/dist.py check
	@mkdir -p build && cp dist/lambda.zip build/lambda.zip
	@.venv-dist/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/dev.txt
	@.venv-dist/bin/pip install --quiet --disable-pip-version-check --no-deps --no-index dist/*.whl
	@empty=$$(mktemp -d) && cd $$empty && $(CURDIR)/.venv-dist/bin/retry-run-task --version \
		&& $(CURDIR)/.venv-dist/bin/retry-run-task explain --reason RESOURCE:MEMORY > /dev/null \
		&& $(CURDIR)/.venv-dist/bin/retry-run-task demo --speed 600 > /dev/null && rmdir $$empty
	@touch $@

# The package is installed as the wheel that users get, not as a link to the source tree.
$(VENV)/.installed: $(VENV)/.locked-run build/lambda.zip infra/template.yaml infra/member.yaml tools/wheel.py pyproject.toml README.md
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

build/lambda.zip: requirements/lambda.txt tools/bundle.py LICENSE $(SOURCE) | $(BIN)/pip
	@$(BIN)/python tools/bundle.py $@
