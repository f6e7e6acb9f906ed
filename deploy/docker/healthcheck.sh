#!/bin/bash
# Healthy (exit 0) where GET URL answers 200: healthcheck [http://HOST:PORT/PATH]
# Without a URL it asks this container's own /health/live. Bash alone: the image has no HTTP client.
set -euo pipefail

own_url() {
    local address=${LISTEN_ADDR:?has to say where the service listens} host port
    host=${address%:*} port=${address##*:}
    case $host in
        0.0.0.0) host=127.0.0.1 ;;
        '[::]') host='[::1]' ;;
    esac
    echo "http://$host:$port/health/live"
}

url=${1:-$(own_url)}
authority=${url#http://}
path=/${authority#*/}
authority=${authority%%/*}
host=${authority%:*}
host=${host#[} host=${host%]}

exec 3<>"/dev/tcp/$host/${authority##*:}"
printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" "$authority" >&3
IFS=' ' read -r -t 4 _ status _ <&3
if [ "$status" != 200 ]; then
    echo "$url: $status" >&2
    exit 1
fi
