#!/usr/bin/env bash
# Runs a command of the operator's image inside an installation's network and prints its output:
#   scripts/operator.sh [--role operator|api|worker] COMMAND [ARGUMENT...]
# COMMAND is one of `atelier` (audit, doctor, import, indexes) or `smoke`. `doctor --of worker` belongs
# with `--role worker`. Exit code: the command's; 70 where the task did not run.
# Needs terraform (terraform/ initialized), the AWS CLI and jq. POLL_SECONDS (5) is between two looks,
# LIMIT_SECONDS (3600) in all.
set -euo pipefail

role=operator
if [ "${1:-}" = --role ]; then
    role=${2:-}
    shift 2
fi
if (($# < 1)); then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
cd "$(dirname "$0")/.."

fail() {
    echo "operator: $*" >&2
    exit 70
}

installation=$(terraform -chdir=terraform output -json operator)
of() { jq --compact-output --exit-status --raw-output "$1" <<<"$installation"; }
cluster=$(of .cluster) || fail 'this installation has no operator task (fleet = "none"): use a Kubernetes job'
role_arn=$(of ".roles.$role") || fail "there is no role $role"
region=$(of .region)
overrides=$(jq --compact-output --null-input --arg role "$role_arn" '{
    taskRoleArn: $role,
    containerOverrides: [{name: "operator", command: $ARGS.positional}]
}' --args -- "$@")
network=$(of '{awsvpcConfiguration: {subnets: .subnet_ids, securityGroups: [.security_group_id], assignPublicIp: "DISABLED"}}')

started=$(aws ecs run-task --region "$region" --cluster "$cluster" --task-definition "$(of .task_definition)" \
    --launch-type FARGATE --network-configuration "$network" --overrides "$overrides" --output json)
task=$(jq --raw-output '.tasks[0].taskArn // empty' <<<"$started")
[ -n "$task" ] || fail "the task did not start: $(jq --compact-output .failures <<<"$started")"

deadline=$((SECONDS + ${LIMIT_SECONDS:-3600}))
until state=$(aws ecs describe-tasks --region "$region" --cluster "$cluster" --tasks "$task" --output json) &&
    [ "$(jq --raw-output '.tasks[0].lastStatus' <<<"$state")" = STOPPED ]; do
    ((SECONDS < deadline)) || fail "$task still runs"
    sleep "${POLL_SECONDS:-5}"
done

aws logs get-log-events --region "$region" --log-group-name "$(of .log_group)" \
    --log-stream-name "operator/operator/${task##*/}" --start-from-head --output json |
    jq --raw-output '.events[].message' || echo "operator: $task left no log" >&2
code=$(jq --raw-output '.tasks[0].containers[0].exitCode // empty' <<<"$state")
[ -n "$code" ] || fail "the task did not run: $(jq --raw-output '.tasks[0].stoppedReason' <<<"$state")"
exit "$code"
