#!/usr/bin/env bash
# Holds a running API against its own OpenAPI document: no 5xx, and no answer that the document does
# not know. Needs `cargo build --workspace`; the first argument is Schemathesis' command.
set -euo pipefail
cd "$(dirname "$0")/.."
schemathesis=${1:-schemathesis}
work=$(mktemp -d)
target/debug/atelier --port 0 --data "$work/data" --model-latency 0 >"$work/said" 2>"$work/log" &
atelier=$!
finish() {
    kill "$atelier" 2>/dev/null || true
    wait "$atelier" || true
    rm -rf "$work"
}
trap finish EXIT
for _ in $(seq 100); do
    url=$(sed -n 's|^Atelier is ready: \(.*\)/$|\1|p' "$work/said")
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { cat "$work/log"; exit 1; }
cd "$work"
"$schemathesis" run "$url/openapi.json" --max-examples "${MAX_EXAMPLES:-15}" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
