# The few commands that matter. `make` alone lists them.
.PHONY: help demo setup test chaos pauses console fuzz check ci

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a shop's day in a minute: nothing to install or configure
	cargo run --locked -- demo

setup: ## install what the tests need (Debian or Ubuntu; root or sudo)
	@scripts/setup

test: ## every test, with private PostgreSQL, RabbitMQ, SMTP and SMPP servers
	@scripts/setup --check || scripts/setup
	scripts/test

chaos: ## as many seeds of chaos as wished: SEEDS=200, or one: SEED=7 (see docs/guarantees.md)
	@scripts/setup --check || scripts/setup
	CHAOS_SEEDS=$(SEEDS) CHAOS_SEED=$(SEED) cargo test --locked --features server-tests --test chaos

fuzz: ## texts that nobody would write, for the readers of rules, tests and templates: SECONDS=600 (see tests/fuzz)
	FUZZ_SECONDS=$(or $(SECONDS),60) FUZZ_SEED=$(or $(SEED),1) cargo test --locked --test fuzz -- --nocapture --test-threads 7

pauses: ## ten thousand messages of a rule, paused while they are sent, and resumed
	PAUSED_MESSAGES=10000 cargo test --locked --features server-tests --test acting a_rule_s_messages

console: ## how long each page of the console takes with a million messages: MESSAGES=1000000
	CONSOLE_MESSAGES=$(or $(MESSAGES),1000000) cargo test --locked --features server-tests --test console many -- --ignored --nocapture

check: ## formatting, lints and documentation, and the build that serves customers
	cargo fmt --check
	cargo clippy --locked -- -D warnings
	cargo clippy --locked --all-targets --features server-tests -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps

ci: ## exactly what continuous integration runs
	.ci/run
