#!/usr/bin/env bash
# Makes one picture by the API at an address and looks at it: scripts/smoke.sh URL [SECONDS]
# Exit 0 only if it was made, came as an image and could be deleted again, within SECONDS (300).
# ATELIER_API_KEY in the environment is the API key of an API that wants one.
# Needs curl and jq.
set -euo pipefail

if (($# < 1)); then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 64
fi
api=${1%/}
deadline=$((SECONDS + ${2:-300}))
answer=$(mktemp)
picture=$(mktemp)
trap 'rm -f "$answer" "$picture"' EXIT

fail() {
    echo "smoke: $*" >&2
    cat "$answer" >&2
    exit 1
}

# By a file, so that no list of processes shows the key.
credentials() {
    [ -z "${ATELIER_API_KEY:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$ATELIER_API_KEY"
}

# Prints the HTTP status; the body is in $answer.
call() {
    local method=$1 path=$2
    shift 2
    curl --silent --show-error --max-time 40 --config <(credentials) --request "$method" \
        --output "$answer" --write-out '%{http_code}' "$@" "$api$path" || true
}

id=smoke-$(date +%s)-$RANDOM
body=$(jq --null-input --arg id "$id" '{
    assignment_id: $id, teacher_id: "smoke", fresh: true,
    prompt: "A red apple and a yellow pear on a wooden school desk, morning light"
}')

# A fleet that has only just started may need a moment.
until code=$(call POST /assignments --header 'content-type: application/json' --data "$body") && [ "$code" = 202 ]; do
    ((SECONDS < deadline)) || fail "POST /assignments answered $code"
    sleep 2
done

while [ "$(jq --raw-output .s3_upload_status "$answer")" = pending ]; do
    ((SECONDS < deadline)) || fail "$id is still pending"
    code=$(call GET "/assignments/$id?wait=20")
    [ "$code" = 200 ] || { sleep 2; echo '{"s3_upload_status":"pending"}' >"$answer"; }
done
[ "$(jq --raw-output .s3_upload_status "$answer")" = success ] || fail "$id was not made"

# The key goes to the API and not to where it redirects: curl keeps it to the first host.
type=$(curl --silent --show-error --fail --location --max-time 40 --config <(credentials) --output "$picture" --write-out '%{content_type}' \
    "$api/assignments/$id/image") || fail "the picture of $id cannot be read"
[ "$type" = image/webp ] || fail "the picture of $id is $type, not image/webp"
[ "$(head -c 4 "$picture")$(tail -c +9 "$picture" | head -c 4)" = RIFFWEBP ] || fail "the picture of $id is no WebP"

code=$(call DELETE "/assignments/$id")
[ "$code" = 204 ] || fail "DELETE answered $code"
echo "smoke: $id was made, $(wc -c <"$picture") bytes, and deleted"
