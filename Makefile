# make run ARGS="…"   set up, build, run gputrain
# make test           set up, build, run every test
# make check          what CI runs: format, build, tests
# make format         rewrite the sources in the house's format
# make install        build and copy program, manual page and completions to PREFIX, ~/.local by itself
# make man            write the manual page
# make completions    write the completions of bash, zsh and fish

SWIFT ?= swift
SOURCES := Package.swift Sources Tests Examples Benchmarks

PREFIX ?= $(HOME)/.local
PROGRAM ?= .build/release/gputrain
# Laid out as under PREFIX.
SHARE := .build/share

.PHONY: run build test test-kernels check format lint setup man completions install

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

lint:
	$(SWIFT) format lint --strict --recursive $(SOURCES)

format:
	$(SWIFT) format --in-place --recursive $(SOURCES)

check: setup
	$(MAKE) lint
	$(MAKE) test-kernels
	$(MAKE) test

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
