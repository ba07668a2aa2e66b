# The commands of this repository. Each works on a bare machine: what is missing is installed into .state.

SHELL := /bin/bash
STATE := $(abspath $(or $(CDC_STATE),.state))
export CDC_STATE := $(STATE)

.DEFAULT_GOAL := help
.PHONY: help check test torture demo bench fuzz clean-state

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20

check: ## format, lints, documentation, and the licences and sources of all dependencies
	dev/install build tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	PATH="$(STATE)/tools/bin:$$PATH" cargo deny --locked check bans licenses sources

# The folders of failed tests stay, for their logs, until the next run.
test: ## all tests, against real servers
	dev/install all
	@rm -rf "$(STATE)/run"
	@trap 'dev/server stop-all "$(STATE)/run"' EXIT; trap 'exit 130' INT TERM; \
	cargo test --workspace --locked --no-fail-fast

torture: ## the long runs: 1M rows and 25 kills a sink; prints its seed
	dev/install all
	@rm -rf "$(STATE)/run"
	@trap 'dev/server stop-all "$(STATE)/run"' EXIT; trap 'exit 130' INT TERM; \
	cargo test --workspace --locked --no-fail-fast -- --ignored --nocapture --test-threads 1

demo: ## a shop's rows, live; DEMO="--sink kafka" or "--sink nats" for a broker
	dev/install build postgres 18
	dev/demo $(DEMO)

bench: ## throughput, CPU and memory beside the server's own reader
	dev/install all
	bench/run $(BENCH)

fuzz: ## every fuzz target for FUZZ_SECONDS (60) each, on the nightly toolchain
	dev/install build tools
	@cd fuzz && PATH="$(STATE)/tools/bin:$$PATH" && set -e && \
	for target in $$(cargo +nightly fuzz list); do \
		cargo +nightly fuzz run "$$target" -- -max_total_time=$(or $(FUZZ_SECONDS),60); \
	done

clean-state: ## stop all servers and remove everything that was installed
	@[[ ! -d "$(STATE)/run" ]] || dev/server stop-all "$(STATE)/run"
	rm -rf "$(STATE)"
