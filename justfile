# The tasks of this project; `just` (https://just.systems) lists them. Each is one plain command.

# Everything on one machine
run *flags:
    cargo run -- {{flags}}

# What Rust alone can test
test:
    cargo test --workspace

# The same with MongoDB and ElasticMQ as judges
judge:
    conformance/run cargo test --workspace

# What a change has to pass
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace
    python3 scripts/licenses.py

# The image path
bench:
    cargo bench -p atelier-optimize

# All of it, as on a fresh machine
ci:
    .ci/run
