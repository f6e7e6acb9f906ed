#!/usr/bin/env bash
# Checks the workflows (actionlint, pins, rights), the release script, and every shell script
# (shellcheck). Run by deploy/test.sh, which brings shellcheck. Needs Go and jq.
set -euo pipefail
cd "$(dirname "$0")/.."

ACTIONLINT=github.com/rhysd/actionlint/cmd/actionlint@v1.7.7

actionlint=$PWD/target/deploy/bin/actionlint
[ -x "$actionlint" ] || GOBIN=$(dirname "$actionlint") go install "$ACTIONLINT"
"$actionlint" -shellcheck "$(command -v shellcheck)" -pyflakes ''
python3 .github/test_workflows.py

# A template is checked as Terraform fills it in, by terraform/tests.
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- ':!*.tftpl' | while read -r file; do
    case $(head -c 64 "$file" | head -n 1 | tr -d '\0') in '#!'*sh) echo "$file" ;; esac
done)
shellcheck "${scripts[@]}"
echo "${#scripts[@]} shell scripts pass shellcheck"

python3 .github/test_release.py
python3 .github/test_operator.py
