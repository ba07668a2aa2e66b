# The commands of this repository. Each works on a bare machine: what is missing is installed into .state.

SHELL := /bin/bash
STATE := $(abspath $(or $(CDC_STATE),.state))
export CDC_STATE := $(STATE)

# Tests wait more than they compute.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))

PICTURES := streaming-light.png loading-dark.png sink-down-light.png ended-light.png streaming-phone.png 5000-tables-dark.png

.DEFAULT_GOAL := help
.PHONY: help check test torture havoc fences memory polling consumers screenshots demo bench profile fuzz clean-state

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20

check: ## format, lints, documentation, and the licences and sources of all dependencies
	dev/install build tools
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path bench/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	PATH="$(STATE)/tools/bin:$$PATH" cargo deny --locked check bans licenses sources

# Servers of this run only: another may be going on beside it. A failed run leaves its folder, for the logs.
define with_servers
	@export CDC_RUN="$(STATE)/run/make-$$$$"; \
	trap 'dev/server stop-all "$$CDC_RUN"' EXIT; trap 'exit 130' INT TERM; \
	$(1) && dev/server stop-all "$$CDC_RUN" && rm -rf "$$CDC_RUN"
endef

test: ## all tests, against real servers
	dev/install all
	$(call with_servers,cargo test --workspace --locked --no-fail-fast)

torture: ## the end-to-end tests at full length, 1M rows and 25 kills a sink; prints the seed
	dev/install all
	$(call with_servers,CDC_TORTURE=1 cargo test --workspace --locked --test end_to_end --no-fail-fast -- --nocapture --test-threads 1)

havoc: ## random tables, writes, DDL and kills for MINUTES (30) on two PostgreSQLs, MySQL and MariaDB; prints its seeds
	dev/install all
	$(call with_servers,CDC_HAVOC_MINUTES=$(or $(MINUTES),30) cargo test --workspace --locked --test end_to_end --no-fail-fast -- havoc:: --nocapture)

fences: ## loads beside writers, crashes and added tables, SEEDS (1000) times
	dev/install all
	$(call with_servers,CDC_SEEDS=$(or $(SEEDS),1000) cargo test --workspace --locked --test source -- random:: --nocapture)

memory: ## how much the released program takes for ROWS (10 million) rows in a transaction, and in a table
	dev/install all
	$(call with_servers,CDC_MEMORY_ROWS=$(or $(ROWS),10000000) cargo test --release --workspace --locked --test end_to_end -- memory:: --nocapture --test-threads 1)

polling: ## how fast ROWS (10 million) rows are compared by the released program, 1 in 100 changed, and what that takes
	dev/install build postgres 18 odbc
	$(call with_servers,CDC_POLL_ROWS=$(or $(ROWS),10000000) cargo test --release --workspace --locked --test odbc -- scale:: --nocapture --test-threads 1)

consumers: ## debezium-json in Flink SQL and in Kafka Connect (2 GB), and that the examples' generated code is current
	dev/install build postgres 18 kafka flink connect
	tests/debezium/consumers
	examples/consumers/generate && git diff --exit-code --stat -- examples/consumers

screenshots: ## the pictures of the live page in docs/images, made anew
	dev/install build postgres 15 17 nats browser
	$(call with_servers,cargo test --workspace --locked --test end_to_end -- page::)
	mkdir -p docs/images
	cp $(addprefix $(STATE)/screenshots/,$(PICTURES)) docs/images/

demo: ## a shop's rows, live; DEMO="--source mysql", "mariadb" or "odbc", DEMO="--sink kafka", "nats" or "http"
	dev/install build postgres 18
	dev/demo $(DEMO)

bench: ## this program beside Debezium and others; BENCH="--quick", "--all", "--list" or what else bench/run takes
	dev/install build postgres 18 kafka nats mysql odbc peers
	bench/run $(BENCH)

profile: ## a flame graph of a backlog being drained, below .state (docs/profiling.md)
	dev/install build postgres 18
	bench/profile $(PROFILE)

fuzz: ## every fuzz target for FUZZ_SECONDS (60) each, on the nightly toolchain
	fuzz/run $(or $(FUZZ_SECONDS),60)

clean-state: ## stop all servers and remove everything that was installed
	@[[ ! -d "$(STATE)/run" ]] || dev/server stop-all "$(STATE)/run"
	rm -rf "$(STATE)"
