#!/usr/bin/env bash
# The restore drill on one machine: makes pictures, backs the store up while it runs, loses store and
# bucket, restores both, and wants every picture back and a clean audit:
#   scripts/restore-drill.sh [DIRECTORY_OF_BINARIES]   (target/debug)
# Needs curl and jq.
set -euo pipefail

cd "$(dirname "$0")/.."
atelier=$(realpath "${1:-target/debug}")/atelier
port=${PORT:-18282}
api=http://127.0.0.1:$port
work=$(mktemp -d)
process=
finish() {
    [ -z "$process" ] || kill "$process" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "restore drill: $*" >&2
    tail -n 20 "$work/log" >&2
    exit 1
}

start() {
    "$atelier" --port "$port" --data "$work/data" --model-latency 0 >>"$work/log" 2>&1 &
    process=$!
    curl -fsS --retry 60 --retry-delay 1 --retry-connrefused -o /dev/null "$api/health/ready" || fail "atelier does not start"
}

stop() {
    kill "$process"
    wait "$process" || true
    process=
}

# Prints how the making of a picture ended.
picture() {
    local status=pending
    for _ in 1 2 3 4 5 6; do
        status=$(curl -fsS --max-time 60 "$api/assignments/$1?wait=20" | jq --raw-output .s3_upload_status)
        [ "$status" = pending ] || break
    done
    echo "$status"
}

start
for number in 1 2 3 4 5; do
    curl -fsS -o /dev/null "$api/assignments" -H 'content-type: application/json' \
        -d "{\"assignment_id\": \"drill-$number\", \"prompt\": \"A lighthouse, number $number\"}"
    [ "$(picture "drill-$number")" = success ] || fail "drill-$number was not made"
done
"$atelier" backup "$work/backup.db" --data "$work/data" >/dev/null || fail "no backup"
cp -a "$work/data/s3" "$work/backup-s3"

stop
rm -rf "$work"/data/atelier.db* "$work/data/s3"
cp "$work/backup.db" "$work/data/atelier.db"
cp -a "$work/backup-s3" "$work/data/s3"

start
for number in 1 2 3 4 5; do
    [ "$(picture "drill-$number")" = success ] || fail "drill-$number is lost"
    curl -fsSL -o "$work/picture" "$api/assignments/drill-$number/image" || fail "the picture of drill-$number is lost"
    [ "$(head -c 4 "$work/picture")" = RIFF ] || fail "the picture of drill-$number is no WebP"
done
"$atelier" audit --data "$work/data" || fail "the audit is not clean"
stop
echo 'restore drill: store and bucket are back, every picture is there, the audit is clean'
