# Verbs only. What a verb does is in scripts/ or in rust/xtask; what it needs
# installed is in scripts/setup, which each verb calls for itself.

.DEFAULT_GOAL := build
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

export PREFIX DESTDIR
MOTE_TARGET = $(or $(TARGET),thumbv7m-none-eabi)
XTASK = scripts/cargo run --quiet --locked -p xtask --

VERBS := setup build install demo test test-slow bench fuzz lint docs screenshot mote mote-test contiki-test riot-test size interop header abi layers ci clean help
.PHONY: $(VERBS)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' Makefile | column -t -s '|'

setup: ## install what every verb needs (FOR="test demo" for these only)
	@scripts/setup $(or $(FOR),all)

build: ## the sprat command, libsprat.{so,a}, the gateway, the Wireshark plugin
	@scripts/setup build
	@scripts/build

install: ## install what was built (PREFIX, DESTDIR)
	@scripts/setup install
	@scripts/build
	@cmake --install $${CARGO_TARGET_DIR:-target}/cmake

demo: ## CoAP over ESP and Diet-ESP between two gateways, captured and decrypted
	@scripts/setup demo
	@scripts/build
	@scripts/demo

test: ## everything that is fast (PARTS="rust abi" for these only)
	@scripts/setup test
	@scripts/run-tests $(PARTS)

test-slow: ## long property runs in a release build
	@scripts/setup test-slow
	@scripts/test-slow

bench: ## instruction counts against tests/budget.toml, then times
	@scripts/setup bench
	@scripts/bench

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@scripts/setup fuzz
	@scripts/fuzz

lint: ## format, clippy, layers, shell scripts
	@scripts/setup lint
	@scripts/run-tests lint

docs: ## API documentation and man pages, without a warning
	@scripts/setup docs
	@scripts/docs

screenshot: ## docs/images/wireshark.png anew
	@scripts/setup screenshot
	@scripts/build
	@tests/wireshark/screenshot

mote: ## the mote library: sizes, instructions (TARGET=thumbv7m-none-eabi)
	@scripts/setup mote
	@scripts/mote $(MOTE_TARGET)
	@scripts/mote-bench $(MOTE_TARGET)

mote-test: ## motes in emulated boards: vectors, a gateway as peer, sizes, cost
	@scripts/setup mote-test
	@scripts/build
	@scripts/run-tests mote glue

contiki-test: ## the port to Contiki-NG (CONTIKI=a checkout)
	@scripts/setup contiki-test
	@$(if $(CONTIKI),scripts/build,true)
	@CONTIKI="$(CONTIKI)" scripts/contiki-test

riot-test: ## the port to RIOT (RIOTBASE=a checkout)
	@scripts/setup riot-test
	@$(if $(RIOTBASE),scripts/build,true)
	@RIOTBASE="$(RIOTBASE)" scripts/riot-test

size: mote ## the same

interop: ## our packets against other implementations, both ways
	@scripts/setup interop
	@scripts/build
	@tests/interop/run

header: ## write include/sprat.h anew
	@scripts/setup header
	@$(XTASK) header

abi: ## exported symbols against tests/abi/symbols.txt (UPDATE=1 writes it anew)
	@scripts/setup abi
	@scripts/build
	@scripts/abi $(if $(UPDATE),--update)

layers: ## the directions between the core's modules
	@scripts/setup header
	@$(XTASK) layers

ci: ## what CI runs
	@.ci/run

clean: ## remove everything that was built
	@rm -rf $${CARGO_TARGET_DIR:-target}
