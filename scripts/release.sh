#!/usr/bin/env bash
# Brings an image tag to an installation, makes a picture there, and goes back to the former tag if
# either fails: scripts/release.sh ENVIRONMENT TAG
# AMI_ID in the environment is the AMI to run on (ec2), else Terraform's choice.
# Exit 1: it went back, and the former tag makes pictures. Exit 2: it could not.
# Needs terraform (terraform/ initialized), the AWS CLI, curl and jq.
set -euo pipefail

if (($# != 2)); then
    sed -n '2,6s/^# //p' "$0" >&2
    exit 64
fi
environment=$1 tag=$2
cd "$(dirname "$0")/.."

output() { terraform -chdir=terraform output "$@"; }

# Ends at its first failure: called where `set -e` does not hold.
# bring TAG [AMI]
bring() {
    local names more=()
    [ -z "${2:-}" ] || more=(-var "ami_id=$2")
    terraform -chdir=terraform apply -input=false -auto-approve -no-color \
        -var-file="environments/$environment.tfvars" "${more[@]}" -var "image_tag=$1" || return
    mapfile -t names < <(output -json fleet_names | jq --raw-output '.[]')
    scripts/rollout.sh "$(output -json release | jq --raw-output .fleet)" "$1" "${names[@]}" || return
    smoke
}

# Where not everybody may call the API, it is asked from inside.
smoke() {
    local address
    address=$(output -raw api_address) || return
    case $(output -raw smoke_from) in
        outside) scripts/smoke.sh "$address" 600 ;;
        inside) scripts/operator.sh smoke "$address" 600 ;;
    esac
}

# A first release has nothing to go back to.
former=$(output -json release 2>/dev/null || echo '{}')
former_ami=$(jq --raw-output '.ami_id // empty' <<<"$former")
former=$(jq --raw-output '.image_tag // empty' <<<"$former")
if bring "$tag" "${AMI_ID:-}"; then
    echo "release: $environment runs $tag"
    exit 0
fi
echo "release: $tag failed in $environment" >&2
if [ -z "$former" ] || [ "$former" = "$tag" ]; then
    echo "release: there is no former tag to go back to" >&2
    exit 2
fi
# The former image on the former AMI: a newer one may be what failed.
bring "$former" "$former_ami" || { echo "release: $former failed, too" >&2; exit 2; }
echo "release: $environment is back at $former" >&2
exit 1
