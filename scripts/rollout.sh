#!/usr/bin/env bash
# Waits until services run the image tag that Terraform gave them: scripts/rollout.sh ec2|ecs TAG NAME...
# NAME is an Auto Scaling Group, or an ECS cluster and its service of that name. Exit 1 if AWS gave
# up and went back. Needs the AWS CLI. POLL_SECONDS (10) is between two looks, LIMIT_SECONDS (1800) in all.
set -euo pipefail

if (($# < 3)); then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 64
fi
fleet=$1 tag=$2
shift 2
deadline=$((SECONDS + ${LIMIT_SECONDS:-1800}))

# Each prints done, failed, or what it waits for.
ec2() {
    local status
    status=$(aws autoscaling describe-instance-refreshes --auto-scaling-group-name "$1" --max-records 1 \
        --query 'InstanceRefreshes[0].Status' --output text)
    case $status in
        Successful | None) echo "done" ;;
        Failed | Cancelled | Rollback*) echo failed ;;
        *) echo "$status" ;;
    esac
}

ecs() {
    local definition state image
    # shellcheck disable=SC2016 # JMESPath's quotes
    read -r definition state < <(aws ecs describe-services --cluster "$1" --services "$1" \
        --query 'services[0].deployments[?status==`PRIMARY`].[taskDefinition, rolloutState] | [0]' --output text)
    image=$(aws ecs describe-task-definition --task-definition "$definition" \
        --query "taskDefinition.containerDefinitions[?name=='$1'].image | [0]" --output text)
    # The circuit breaker's way back makes the former definition the primary one.
    if [ "${image##*:}" != "$tag" ] || [ "$state" = FAILED ]; then
        echo failed
    elif [ "$state" = COMPLETED ]; then
        echo "done"
    else
        echo "$state"
    fi
}

for name in "$@"; do
    until state=$("$fleet" "$name") && [ "$state" = "done" ]; do
        if [ "$state" = failed ] || ((SECONDS >= deadline)); then
            echo "rollout: $name does not run $tag: $state" >&2
            exit 1
        fi
        sleep "${POLL_SECONDS:-10}"
    done
    echo "rollout: $name runs $tag"
done
