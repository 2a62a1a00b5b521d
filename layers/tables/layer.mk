# How `sam build` makes this layer, in a copy of this folder; the same recipe in every layer's folder (tested), since
# SAM builds anew only what changed inside of it. The template's ContextPath leads to the Makefile of a processor.
SHELL := /bin/bash
PYTHON ?= python3.11
PACKAGES := $(ARTIFACTS_DIR)/python

# Wheels for Lambda's python3.11, which is Amazon Linux 2 with glibc 2.26, whatever machine builds.
PLATFORMS := $(foreach glibc,2014 _2_17 _2_18 _2_19 _2_20 _2_21 _2_22 _2_23 _2_24 _2_25 _2_26,manylinux$(glibc)_$(PROCESSOR))
WHEELS := --only-binary :all: --implementation cp --python-version 3.11 $(PLATFORMS:%=--platform %)

# SAM's target is build-<logical id>.
build-%: python
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile $(WHEELS) \
	    --target $(PACKAGES) --requirement requirements.txt
	@$(if $(wildcard lambent),cp -R lambent $(PACKAGES))
	@# failglob: a line of prune.txt that matches nothing any more ends the build.
	@shopt -s extglob failglob && cd $(PACKAGES) && sed 's/ *#.*//;/^$$/d' $(CURDIR)/prune.txt | \
	    while read -r unused; do rm -r -- $$unused || exit 1; done
	@find $(PACKAGES) \( -name __pycache__ -o -name '*.pyi' -o -name '*.pxd' \) -prune -exec rm -r {} +
	@# Lambda cannot write bytecode beside a layer's modules, and file times do not survive the upload.
	@$(PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s $(PACKAGES) -p /opt/python $(PACKAGES)

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { echo "Lambent's layers need $(PYTHON) on the PATH to build" >&2; exit 3; }
	@$(PYTHON) -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit("Lambent'"'"'s layers need Python 3.11 to \
	build, since bytecode of " + sys.version.split()[0] + " is none for Lambda'"'"'s python3.11")'
