# The tasks of this project; `just` (https://just.systems) lists them. Each is one plain command.

# Everything on one machine
run *flags:
    cargo run -- {{flags}}

# What Rust alone can test
test:
    cargo test --workspace

# All tests, with a MongoDB and an SQS of others
conformance:
    conformance/run cargo test --workspace -- --include-ignored

# What a change has to pass
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace
    scripts/cycles.py
    cargo deny check licenses bans sources
    cargo machete

# The image path
bench:
    cargo bench -p atelier-optimize

# All of it, as on a fresh machine
ci:
    .ci/run
