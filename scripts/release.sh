#!/usr/bin/env bash
# Brings an image tag to an installation, makes a picture there, and goes back to the former tag if
# either fails: scripts/release.sh ENVIRONMENT TAG
# Exit 1: it went back, and the former tag makes pictures. Exit 2: it could not.
# Needs terraform (terraform/ initialized), the AWS CLI, curl and jq.
set -euo pipefail

if (($# != 2)); then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 64
fi
environment=$1 tag=$2
cd "$(dirname "$0")/.."

output() { terraform -chdir=terraform output "$@"; }

# Ends at its first failure: called where `set -e` does not hold.
bring() {
    local names
    terraform -chdir=terraform apply -input=false -auto-approve -no-color \
        -var-file="environments/$environment.tfvars" -var "image_tag=$1" || return
    mapfile -t names < <(output -json fleet_names | jq --raw-output '.[]')
    scripts/rollout.sh "$(output -json release | jq --raw-output .fleet)" "$1" "${names[@]}" || return
    scripts/smoke.sh "$(output -raw api_address)" 600
}

# A first release has nothing to go back to.
former=$(output -json release 2>/dev/null | jq --raw-output .image_tag || true)
if bring "$tag"; then
    echo "release: $environment runs $tag"
    exit 0
fi
echo "release: $tag failed in $environment" >&2
if [ -z "$former" ] || [ "$former" = "$tag" ]; then
    echo "release: there is no former tag to go back to" >&2
    exit 2
fi
bring "$former" || { echo "release: $former failed, too" >&2; exit 2; }
echo "release: $environment is back at $former" >&2
exit 1
