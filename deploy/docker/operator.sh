#!/bin/bash
# The operator image's entry: `smoke URL [SECONDS]`, or a command of `atelier`.
set -euo pipefail

if [ "${1:-}" = smoke ]; then exec "$@"; fi
exec atelier "$@"
