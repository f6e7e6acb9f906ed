#!/usr/bin/env bash
# Tests how Atelier is shipped: deploy/test.sh DIRECTORY_OF_BINARIES
# Images and compose file, Kubernetes manifests, workflows and shell scripts. Installs what it needs
# beside Go, Python and Debian's packages under target/deploy.
set -euo pipefail

if (($# != 1)); then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 64
fi
binaries=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

venv=$PWD/target/deploy/venv
[ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement deploy/requirements.txt
PATH=$venv/bin:$PATH

deploy/docker/test.sh "$binaries"
(cd deploy/docker/compose && go build -o "$PWD/../../../target/deploy/compose" .)
target/deploy/compose deploy/docker/compose.yaml | python3 deploy/docker/compose.py check
deploy/kubernetes/test.sh
.github/test.sh
echo 'deploy: all passed'
