# make run ARGS="…"   set up, build, run gputrain
# make test           set up, build, run every test
# make check          what CI runs: format, build, tests, documentation
# make docs           the documentation's pages, into .build/docs; its warnings are errors
# make test-import    import this package from others, by URL and by path
# make dist           a folder to run on machines that have only a GPU's driver, or nothing
# make dist-test      tries that folder on a bare root
# make format         rewrite the sources in the house's format

SWIFT ?= swift
SOURCES := Package.swift Sources Tests Examples Benchmarks

.PHONY: run build test test-import test-kernels check docs dist dist-test format lint setup

setup:
	@bash Scripts/setup.sh

build: setup
	$(SWIFT) build -c release

run: setup
	$(SWIFT) run -c release gputrain $(ARGS)

test: setup
	$(SWIFT) test

# PoCL has two ways to run a work-group's items one after another; kernels must be right under both.
test-kernels: setup
	POCL_WORK_GROUP_METHOD=cbs $(SWIFT) test --filter "TensorsTests|SpectralTests"

# Packages made for it build all of this one, twice.
test-import: setup
	SWIFT=$(SWIFT) bash Tests/Interop/check_import.sh

docs: setup
	SWIFT=$(SWIFT) bash Scripts/docs.sh

lint:
	$(SWIFT) format lint --strict --recursive $(SOURCES)

format:
	$(SWIFT) format --in-place --recursive $(SOURCES)

check: setup
	$(MAKE) lint
	$(MAKE) test-kernels
	$(MAKE) test
	$(MAKE) docs

dist:
	@bash Scripts/setup.sh dist
	@bash Scripts/dist.sh

dist-test:
	@bash Scripts/dist-test.sh
