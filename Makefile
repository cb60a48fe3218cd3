# make run ARGS="…"   set up, build, run gputrain
# make test           set up, build, run every test
# make test-fast      the tests that launch no program, in a minute after the build
# make check          what CI runs: format, documentation, build, tests
# make test-slurm     the job files of Examples/Slurm on a real Slurm of this one machine; needs root
# make test-mpi       one run by several processes under a real MPI of this machine
# make test-fuzz      fuzzes every reader with libFuzzer: 100,000 inputs, or INPUTS=…
# make test-sanitize  tests with the address and the thread sanitizer
# make test-reliability  the long form of docs/reliability.md: everything that tries to break the program; hours
# make docs           the documentation's pages, into .build/docs; its warnings are errors
# make test-import    import this package from others, by URL and by path
# make dist           a folder to run on machines that have only a GPU's driver, or nothing
# make dist-test      tries that folder on a bare root
# make gpu-check      what a GPU does, and how fast beside PyTorch and JAX: eight minutes, a page of results
# make gpu-bundle     gpu-check and the program as one file, for a machine without Swift
# make gpu-bundle-test  tries that file in a bare folder, on the CPU
# make format         rewrite the sources in the project's format
# make install        build and copy program, manual page and completions to PREFIX, by default ~/.local
# make man            write the manual page
# make completions    write the completions of bash, zsh and fish

SWIFT ?= swift
SOURCES := Package.swift Sources Tests Examples Benchmarks

PREFIX ?= $(HOME)/.local
PROGRAM ?= .build/release/gputrain
# Laid out as under PREFIX.
SHARE := .build/share

.PHONY: run build test test-fast test-import test-slurm test-mpi test-fuzz test-sanitize test-reliability check docs dist dist-test gpu-check gpu-bundle gpu-bundle-test format lint setup man completions install

setup:
	@bash Scripts/setup.sh

build: setup
	$(SWIFT) build -c release

run: setup
	$(SWIFT) run -c release gputrain $(ARGS)

test: setup
	$(SWIFT) test

test-fast: setup
	$(SWIFT) test --skip CommandTests

# Packages made for it build all of this one, twice.
test-import: setup
	SWIFT=$(SWIFT) bash Tests/Interop/check_import.sh

test-slurm: build
	@bash Tests/Interop/check_slurm.sh $(PROGRAM)

test-mpi: build
	python3 Tests/Interop/check_mpi.py $(PROGRAM)

INPUTS ?= 100000

test-fuzz: build
	SWIFT=$(SWIFT) bash Tests/Fuzz/run.sh --inputs $(INPUTS) $(PROGRAM)

test-sanitize: setup
	SWIFT=$(SWIFT) bash Tests/Sanitizers/run.sh

# The short form of every part is in the tests.
test-reliability: build
	SWIFT=$(SWIFT) bash Tests/Fuzz/run.sh --inputs 1000000 $(PROGRAM)
	python3 Tests/Interop/check_reliability.py $(PROGRAM)
	python3 Tests/Interop/check_sharing.py $(PROGRAM) 4 10
	python3 Tests/Interop/check_mpi.py $(PROGRAM)
	SWIFT=$(SWIFT) bash Tests/Sanitizers/run.sh

docs: setup
	SWIFT=$(SWIFT) bash Scripts/docs.sh

lint:
	$(SWIFT) format lint --strict --recursive $(SOURCES)

format:
	$(SWIFT) format --in-place --recursive $(SOURCES)

check: setup
	$(MAKE) lint
	$(MAKE) docs
	$(MAKE) test

dist:
	@bash Scripts/setup.sh dist
	@bash Scripts/dist.sh

dist-test:
	@bash Scripts/dist-test.sh

gpu-check: build
	@bash Benchmarks/GPU/check.sh

gpu-bundle: setup
	@bash Scripts/gpu-bundle.sh

gpu-bundle-test:
	@bash Scripts/gpu-bundle-test.sh

man: build
	@mkdir -p $(SHARE)/man/man1
	@command -v python3 >/dev/null || { echo "python3 is needed to write the manual page" >&2; exit 1; }
	$(PROGRAM) --experimental-dump-help | python3 Scripts/manual.py > $(SHARE)/man/man1/gputrain.1

completions: build
	@mkdir -p $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
	  $(SHARE)/fish/vendor_completions.d
	$(PROGRAM) --generate-completion-script bash > $(SHARE)/bash-completion/completions/gputrain
	$(PROGRAM) --generate-completion-script zsh > $(SHARE)/zsh/site-functions/_gputrain
	$(PROGRAM) --generate-completion-script fish > $(SHARE)/fish/vendor_completions.d/gputrain.fish

install: man completions
	mkdir -p $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/gputrain
	cp -R $(SHARE) $(DESTDIR)$(PREFIX)/
