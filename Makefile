.DEFAULT_GOAL := help
SHELL := /bin/bash
# Either of the Pythons that functions can be deployed with; the default of AWS's side first, so that what is tried here
# is what runs there. One that stands on the PATH may still not run (pyenv's shims), so each is tried.
PYTHONS := python3.12 python3.11
PYTHON ?= $(shell for each in $(PYTHONS); do $$each -c '' 2>/dev/null && { echo $$each; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed
CLIENTS := .venv-clients/bin
CLIENTS_STAMP := .venv-clients/.installed
# One lock for both Pythons: of the older one, which needs what the newer has in its standard library. LiteRT's layer alone
# has one for each: what is secure today has no wheels any more that Lambda's python3.11 could load (glibc 2.26).
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate
UV_COMPILE := $(LOCK) --python-version 3.11
LAMBDA := --python-platform x86_64-manylinux2014
LAMBDA_312 := --python-version 3.12 --python-platform x86_64-manylinux_2_34
# Tests wait for stacks as often as they compute, so there is one process more than a small machine has cores.
PROCESSES ?= 3
SEEDS ?= 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
PYTEST := $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadgroup --no-loadscope-reorder
PYTEST_CLIENTS := $(CLIENTS)/pytest -c tests/clients/pytest.ini tests/clients
CLIENTS_TOLD := .venv-clients/told.txt

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## create .venv with the locked packages

$(STAMP): requirements-dev.txt pyproject.toml
	@"$(or $(strip $(PYTHON)),none)" -c 'import sys; sys.exit("python%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())' 2>/dev/null \
	|| { echo "Lambent needs one of $(PYTHONS) on the PATH, and one that runs; found: $(or $(strip $(PYTHON)),none)" \
	"(or: make PYTHON=/path/to/python3.12)" >&2; exit 3; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements-dev.txt)"
	$(BIN)/uv --no-config pip install --python $(BIN)/python --no-deps --require-hashes --requirement requirements-dev.txt
	$(BIN)/uv --no-config pip install --python $(BIN)/python --quiet --no-deps --editable .
	@touch $@

$(CLIENTS_STAMP): tests/clients/requirements.txt $(STAMP)
	$(PYTHON) -m venv .venv-clients
	$(BIN)/uv --no-config pip install --python $(CLIENTS)/python --quiet --require-hashes --requirement $<
	@touch $@

lock: $(STAMP) ## write all requirements files anew from pyproject.toml
	$(UV_COMPILE) --universal pyproject.toml --group dev -o requirements-dev.txt
	$(UV_COMPILE) $(LAMBDA) --group core -c requirements-dev.txt -o layers/core/requirements.txt
	$(LOCK) $(LAMBDA_312) --group litert -o layers/numeric/litert/requirements.txt
	$(UV_COMPILE) $(LAMBDA) --group litert -o layers/numeric/litert/python3.11-x86_64/requirements.txt
	$(UV_COMPILE) $(LAMBDA) --group tflite-runtime -o layers/numeric/tflite_runtime/requirements.txt
	$(UV_COMPILE) $(LAMBDA) --group tables -c requirements-dev.txt -o layers/tables/requirements.txt
	$(UV_COMPILE) --group lambda-runtime -c requirements-dev.txt -o layers/toolkit/lambent_toolkit/sandbox/runtime-requirements.txt
	$(UV_COMPILE) --group worker -c requirements-dev.txt -o functions/batch_worker/requirements.txt
	$(UV_COMPILE) --group worker-jax -c requirements-dev.txt -o functions/batch_worker/requirements-jax.txt
	$(UV_COMPILE) --group clients -o tests/clients/requirements.txt

openapi: $(STAMP) ## write the API's document and its page anew
	$(BIN)/python -m lambent_toolkit.openapi

dashboard: $(STAMP) ## write the dashboard into template.yaml anew
	$(BIN)/python -m lambent_toolkit.dashboard

demo: $(STAMP) ## train, quantize, publish and use a model through all three doors
	$(BIN)/lambent demo

up: $(STAMP) ## run the local stack with the demo model until Ctrl-C
	$(BIN)/lambent up --demo

sam-local: $(STAMP) ## serve the demo model by the real `sam local start-api`; needs Docker
	@$(BIN)/lambent sam-local check
	@$(BIN)/lambent up --demo --detach --port 0 --state .lambent/sam-local
	@trap '$(BIN)/lambent down --state .lambent/sam-local' EXIT; \
	$(BIN)/lambent sam-local start-api --state .lambent/sam-local

sam-local-verify: $(STAMP) ## give every function one event in AWS's own image; needs Docker
	@$(BIN)/lambent sam-local check
	@$(BIN)/lambent up --demo --detach --port 0 --state .lambent/sam-local $(addprefix --parameter ,$(PARAMETERS))
	@trap '$(BIN)/lambent down --state .lambent/sam-local' EXIT; \
	$(BIN)/lambent sam-local verify --state .lambent/sam-local

test: $(STAMP) $(CLIENTS_STAMP) lint audit ## the whole test suite
	@$(MAKE) --no-print-directory --jobs=2 --keep-going suite clients-beside; code=$$?; cat $(CLIENTS_TOLD); exit $$code

suite:
	$(PYTEST)

clients-beside:
	@$(PYTEST_CLIENTS) >$(CLIENTS_TOLD) 2>&1

clients: $(STAMP) $(CLIENTS_STAMP) ## the tests with clients that others wrote, on a local stack
	$(PYTEST_CLIENTS)

check: $(STAMP) lint audit ## what to run before every commit: lint, types, advisories, unit and contract tests
	$(PYTEST) tests/unit tests/contract

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet --no-progress .github

audit: $(STAMP) ## hold all locks to what is known of vulnerable packages; fails for any that nobody looked up
	$(BIN)/python -m lambent_toolkit.advisories

advisories: $(STAMP) ## look all locked packages up at OSV, and write what it told into tests/contract/advisories.json
	$(BIN)/python -m lambent_toolkit.advisories look

format: $(STAMP) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

validate: $(STAMP) ## let SAM and cfn-lint look at the template
	$(BIN)/sam validate --lint --region us-east-1

build: $(STAMP) ## build for AWS as samconfig.toml says, without Docker; or with PARAMETERS="NAME=VALUE ..." as they are deployed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam build $(if $(strip $(PARAMETERS)),--parameter-overrides $(PARAMETERS))

shipped: $(STAMP) ## hold what is built for AWS to what runs there: sizes, imports, shared libraries
	$(PYTEST) $(wildcard tests/contract/test_sam_build.py tests/contract/test_shipped*.py)

bench: $(STAMP) ## print the measured figures
	for bench in tests/bench/bench_*.py; do $(BIN)/python $$bench || exit 1; done

soak: $(STAMP) ## the promises of reliability at large numbers: hours, and goes on where it ended; ROWS="P3 P8" SEEDS="1 2" for fewer
	$(BIN)/python tests/soak/soak.py --rows $(ROWS) --seeds $(SEEDS)

.PHONY: help setup lock openapi dashboard demo up sam-local sam-local-verify test suite clients-beside clients check lint audit advisories format validate build shipped bench soak
