# COMPOSER for gateways.  `make demo` shows it, `make test` proves it; each sets up what is missing.
#
#: make demo          the main job, shown: a service graph, real functions, real packets
#: make demo-elastic  a service that scales itself, and the figure of it: build/elastic.svg
#: make test          every test, within minutes
#: make test-faults   the tests of faults with their full numbers: most of an hour
#: make test-long     the tests that take longer
#: make test-oldest   the agent's tests with the oldest dependencies
#: make test-qemu     gateways in QEMU, from installation to removal: qemu-arm, then qemu-mips
#: make qemu-arm      a gateway with two cores of a Cortex-A9, 256 MB; qemu-mips: one of a MIPS 34Kf
#: make test-foreign  unit tests under a 64-bit ARM and a big-endian Python, by qemu-user
#: make check         what needs no root: lint, and the tests of the pure parts
#: make bench         the figures: a table, and build/bench.json
#: make nsf           the bundles of the network functions, into build/nsf
#: make ipk           packages for OpenWrt's opkg, and their index, into build/ipk
#: make setup         only set up what is missing
#: make clean         remove what was made
#:
#: TESTS=tests/core names the tests to run, ARGS="-x -k nat" is handed to pytest.  COMPOSER_SEED=7 draws the faults of
#: another seed than usual.

PYTEST = $(1)/bin/python -m pytest -c tests/pytest.ini $(ARGS)
TESTS = tests
# Two workers, a file at a time; but one process for a part of the tests, and where its output or its prompt is wanted.
WORKERS = $(if $(filter-out tests,$(TESTS))$(filter -s --pdb,$(ARGS)),,-n 2 --dist loadfile --no-loadscope-reorder)
FAULTS = $(addprefix tests/,agent/test_powercut.py agent/test_fuzz.py agent/test_fuzz_measure.py agent/test_bus.py $(addprefix system/test_,bus.py crash.py daemons.py repair.py exhaustion.py cycles.py))
ROOTED = demo demo-elastic test test-faults test-long test-oldest bench

MAKEFLAGS += --no-print-directory
export PYTHONPYCACHEPREFIX = $(CURDIR)/build/pycache
unexport PYTHONDONTWRITEBYTECODE

FOREIGN = arm64 s390x

.PHONY: help setup nsf ipk check clean test-qemu qemu-arm qemu-mips test-foreign $(ROOTED)

help:
	@sed -n 's/^#: //p' Makefile

setup:
	@tests/setup

nsf:
	@$(MAKE) -s -C nsf

ipk: setup
	@$(MAKE) -s -C opkg

test-qemu:
	@$(MAKE) qemu-arm
	@$(MAKE) qemu-mips

qemu-arm qemu-mips: qemu-%: ipk
	@PROGRAMS=qemu-tests/programs.txt tests/setup
	@qemu-tests/image $*
	@timeout --foreground -s INT -k 30 900 $(call PYTEST,.venv) -s -v --gateway $* qemu-tests

test-foreign: setup
	@PROGRAMS=qemu-tests/programs.txt tests/setup
	@for arch in $(FOREIGN); do qemu-tests/foreign $$arch || exit 1; done

check: setup
	.venv/bin/python -m pyflakes agent tests nsf qemu-tests
	$(call PYTEST,.venv) $(WORKERS) -m "not root and not long" $(TESTS)

clean:
	rm -rf build .venv 2>/dev/null || sudo rm -rf build .venv

# Network namespaces need root.
ifneq ($(shell id -u),0)

$(ROOTED):
	@command -v sudo >/dev/null || { echo "composer: make $@ needs root, and there is no sudo here" >&2; exit 1; }
	@echo "composer: make $@ needs root, calling sudo"
	@sudo -E $(MAKE) $@

else

demo: setup nsf
	@.venv/bin/python tests/demo.py

demo-elastic: setup nsf
	@.venv/bin/python tests/demo_elastic.py

test: setup nsf
	@$(call PYTEST,.venv) $(WORKERS) -m "not long" $(TESTS)

test-faults: setup nsf
	@COMPOSER_FAULTS=full $(call PYTEST,.venv) -s -m "not long" $(filter-out tests,$(TESTS)) $(if $(filter tests,$(TESTS)),$(FAULTS))

test-long: setup nsf
	@$(call PYTEST,.venv) -m long $(TESTS)

test-oldest: nsf
	@tests/setup build/oldest tests/oldest.txt
	@$(call PYTEST,build/oldest) -m "not long" tests/agent tests/system

bench: setup nsf
	@.venv/bin/python tests/bench.py

endif
