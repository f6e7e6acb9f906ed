#!/bin/bash
# Proves terraform/: formatting, validity, mock tests, checkov, documentation, collector, user
# data, apply / plan / destroy on an emulator, and the README's steps: run.sh [DIRECTORY_OF_BINARIES]
# (target/debug). Needs terraform, python3, curl, go, jq and git.
set -euo pipefail
binaries=$(realpath "${1:-$(dirname "$0")/../../target/debug}")
cd "$(dirname "$0")/.."

for program in terraform python3 curl go jq git; do
  command -v "$program" >/dev/null || { echo "run.sh needs $program on PATH" >&2; exit 69; }
done

# A CLI configuration that is named but missing would only make noise.
if [ -n "${TF_CLI_CONFIG_FILE:-}" ] && [ ! -e "$TF_CLI_CONFIG_FILE" ]; then unset TF_CLI_CONFIG_FILE; fi

# Prints terraform init's argument for a local copy of the provider, if there is one.
provider_mirror() {
  local mirror
  for mirror in "${TF_PLUGIN_MIRROR:-}" /opt/tf-plugins /usr/local/share/terraform/plugins "$HOME/.terraform.d/plugins"; do
    if [ -n "$mirror" ] && [ -d "$mirror/registry.terraform.io/hashicorp/aws" ]; then
      echo "-plugin-dir=$mirror"
      return
    fi
  done
}
mapfile -t init < <(provider_mirror)

step() { printf '\n== terraform: %s\n' "$1"; }

step "tools"
venv=${ATELIER_TERRAFORM_VENV:-.venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement tests/requirements.txt
# Absolute, for the tests change directories.
PATH="$(cd "$venv/bin" && pwd):$PATH"

step "fmt"
terraform fmt -check -recursive -diff

step "validate"
terraform init -backend=false -input=false -no-color "${init[@]}" >/dev/null
terraform validate -no-color

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

step "environments"
terraform -chdir=tests/variables init -backend=false -no-color >/dev/null
for environment in environments/*.tfvars; do
  if ! terraform -chdir=tests/variables plan -input=false -no-color -state="$logs/none" -var-file="$PWD/$environment" >"$logs/plan" 2>&1 ||
    grep -qi "undeclared" "$logs/plan"; then
    cat "$logs/plan"
    exit 1
  fi
  echo "$environment: every value is accepted"
done

step "emulator, both fleets and the README's steps at once beside the rest"
declare -A emulators
for fleet in ec2 ecs; do
  python tests/emulator.py "$fleet" "${init[@]}" >"$logs/$fleet" 2>&1 &
  emulators[$fleet]=$!
done
python tests/readme_steps.py "$binaries" "${init[@]}" >"$logs/readme" 2>&1 &
emulators[readme]=$!

step "checkov"
checkov --directory . --framework terraform --compact --quiet 2>"$logs/checkov" || { cat "$logs/checkov"; exit 1; }

step "documentation"
python tests/docs_test.py
python tests/readme_test.py
python ../scripts/doc_commands.py "$binaries"

step "collector"
python tests/collector_test.py
python tests/collector_run.py "$binaries"

step "user data"
python tests/userdata_test.py

step "alarms"
python tests/alarm_test.py

step "CloudFront function"
python tests/cdn_function_test.py

step "test"
terraform test -no-color

step "emulator"
for run in "${!emulators[@]}"; do
  wait "${emulators[$run]}" || { tail -n 60 "$logs/$run"; exit 1; }
done
for run in ec2 ecs; do tail -n 1 "$logs/$run"; done
grep '^README:' "$logs/readme"

echo
echo "terraform: all passed"
