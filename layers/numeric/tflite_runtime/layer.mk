# How `sam build` makes this layer, in a copy of this folder; the same recipe in every layer's folder (tested), since
# SAM builds anew only what changed inside of it. The template's ContextPath leads to the Makefile that says for which
# Python (TARGET) and processor (ARCHITECTURE), and in the numeric layer with which INTERPRETER.
SHELL := /bin/bash
PYTHON ?= $(TARGET)
PACKAGES := $(ARTIFACTS_DIR)/python

# Combinations that Lambda could not run; the template's rules refuse to deploy them, too.
REFUSED_python3.11-arm64 := LiteRT for arm64 needs glibc 2.30, and python3.11 on Lambda (Amazon Linux 2) has 2.26; choose \
  PythonVersion=python3.12 or Architecture=x86_64
REFUSED_tflite-runtime-python3.12 := tflite-runtime has a wheel for python3.11 and none for python3.12; choose \
  PythonVersion=python3.11 or Interpreter=litert
REFUSED_tflite-runtime-arm64 := tflite-runtime has no arm64 wheel for Lambda; choose Architecture=x86_64 or \
  Interpreter=litert
REFUSED := $(strip $(firstword $(foreach why,$(INTERPRETER)-$(ARCHITECTURE) $(INTERPRETER)-$(TARGET) \
  $(TARGET)-$(ARCHITECTURE),$(if $(REFUSED_$(why)),$(why)))))
$(if $(REFUSED),$(error $(REFUSED_$(REFUSED))))

# Wheels for Lambda, whatever machine builds. Tags of glibc that a wheel may carry; tests read what libraries really need.
GLIBC_python3.11 := 26
GLIBC_python3.12 := 34
PROCESSOR := $(if $(filter arm64,$(ARCHITECTURE)),aarch64,$(ARCHITECTURE))
PLATFORMS := $(foreach glibc,2014 $(addprefix _2_,$(shell seq 17 $(GLIBC_$(TARGET)))),manylinux$(glibc)_$(PROCESSOR))
# A Python whose wheels need a lock of its own has it beside its Makefile.
LOCK := $(firstword $(wildcard $(TARGET)-$(ARCHITECTURE)/requirements.txt) requirements.txt)
WHEELS := --only-binary :all: --implementation cp --python-version $(TARGET:python%=%) $(PLATFORMS:%=--platform %)

# SAM's target is build-<logical id>.
build-%: python packages
	@# Lambda cannot write bytecode beside a layer's modules, and file times do not survive the upload.
	@$(PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s $(PACKAGES) -p /opt/python $(PACKAGES)
	@# What the layer was built for: its functions compare it with what runs them.
	@mkdir $(ARTIFACTS_DIR)/built
	@printf '{"layer": "%s", "python": "%s", "architecture": "%s", "interpreter": "%s"}\n' \
	    $* $(TARGET) $(ARCHITECTURE) '$(INTERPRETER)' >$(ARTIFACTS_DIR)/built/$*.json

# All but the bytecode, which any Python with pip can do: tests look into layers of a Python that this machine lacks.
.PHONY: packages
packages:
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile $(WHEELS) \
	    --target $(PACKAGES) --requirement $(LOCK)
	@$(if $(wildcard rewrite_libm_versions.py),$(PYTHON) rewrite_libm_versions.py $(PACKAGES))
	@$(if $(wildcard lambent),cp -R lambent $(PACKAGES))
	@# failglob: a line of prune.txt that matches nothing any more ends the build.
	@shopt -s extglob failglob && cd $(PACKAGES) && sed 's/ *#.*//;/^$$/d' $(CURDIR)/prune.txt | \
	    while read -r unused; do rm -r -- $$unused || exit 1; done
	@find $(PACKAGES) \( -name __pycache__ -o -name '*.pyi' -o -name '*.pxd' \) -prune -exec rm -r {} +

# One that stands on the PATH may still not run (pyenv's shims), so it is tried.
.PHONY: python
python:
	@$(PYTHON) -c '' 2>/dev/null || { echo "Lambent's layers for $(TARGET) need $(PYTHON) on the PATH to build, and one \
	that runs: install it, or build and deploy with another PythonVersion (samconfig.toml)" >&2; exit 3; }
	@$(PYTHON) -c 'import sys; "python%d.%d" % sys.version_info[:2] == "$(TARGET)" or sys.exit("Lambent'"'"'s layers for \
	$(TARGET) need it to build, since bytecode of " + sys.version.split()[0] + " is none for it")'
