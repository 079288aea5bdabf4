# make demo     the whole path on the embedded data set
# make test     every check
# make format   what a formatter can mend
# make bench    the short benchmarks, and the tables made from their rows
# make setup    both environments, which the other targets make by themselves
# make setup-emulation   Debian's packages that run libraries for aarch64 under emulation
#
# Needed: python3 (3.11 or newer) with venv, make, g++, and a package index that pip reaches.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
HOST := .venv/bin
DEVICE := .venv-device/bin
PIP := -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*' -not -path '*.egg-info/*')

export OMP_NUM_THREADS ?= 1
unexport PYTHONPATH PYTHONHOME PYTHONWARNINGS

.PHONY: setup setup-emulation demo test format-check lint types contracts pytest tables format bench clean

setup: .venv/.installed .venv-device/.installed

# The host: torch and every extra. Torch comes first, by its exact version, so that a build that is there already stays.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"bitsback needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}.")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make environments; install python3-venv." >&2; exit 1; }
	@command -v g++ >/dev/null || { echo "g++ is not there; torch.compile needs it; install g++." >&2; exit 1; }
	@echo "Installing the host environment in .venv (once; some minutes)"
	@$(PYTHON) -m venv .venv
	@$(HOST)/python $(PIP) setuptools "$$(grep '^torch==' constraints.txt)"
	@$(HOST)/python $(PIP) --editable '.[torch,parquet,test]'
	@touch $@

# The device: what the plain install needs, and no torch.
.venv-device/.dependencies: pyproject.toml constraints.txt .venv/.installed
	@echo "Installing the device environment in .venv-device (once)"
	@$(PYTHON) -m venv .venv-device
	@$(HOST)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
		> .venv-device/requirements.txt
	@$(DEVICE)/python $(PIP) --requirement .venv-device/requirements.txt
	@touch $@

# The package itself goes in as a built wheel, which shows that the wheel is whole.
.venv-device/.installed: .venv-device/.dependencies $(SOURCES)
	@rm -rf build
	@$(HOST)/python -m pip --disable-pip-version-check --quiet wheel --no-build-isolation --no-deps --wheel-dir build/wheel .
	@$(DEVICE)/python -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps build/wheel/*.whl
	@rm -rf build
	@touch $@

# LLVM's linker, QEMU's user mode, and the C library for aarch64.
EMULATION := lld qemu-user libc6-arm64-cross

setup-emulation:
	@command -v apt-get >/dev/null || { echo "apt-get is not there; install what Debian calls $(EMULATION)." >&2; exit 1; }
	@test "$$(id -u)" = 0 || { echo "Installing packages needs root: sudo apt-get install $(EMULATION)" >&2; exit 1; }
	@apt-get update
	@apt-get install --yes --no-install-recommends $(EMULATION)

demo: setup
	@$(HOST)/bitsback demo

test: setup
	@$(MAKE) --no-print-directory --jobs 2 format-check lint types contracts pytest tables
	@echo "All checks passed."

format-check: setup
	@$(HOST)/ruff format --check .

lint: setup
	@$(HOST)/ruff check .

types: setup
	@$(HOST)/pyright

contracts: setup
	@$(HOST)/lint-imports --no-cache --no-logo

pytest: setup
	@env -u BITSBACK_DATA $(HOST)/python -m pytest --numprocesses 2

tables: setup
	@$(HOST)/python -m bench.tables --check

format: setup
	@$(HOST)/ruff format .
	@$(HOST)/ruff check --fix .

bench: setup
	@$(HOST)/python -m bench.training_cost
	@$(HOST)/python -m bench.cold_start
	@$(HOST)/python -m bench.tables --write

clean:
	rm -rf .venv .venv-device build
