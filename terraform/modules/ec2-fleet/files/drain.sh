#!/bin/bash
# Waits for the notice that this instance ends, stops the service (SIGTERM; it gives back what it
# cannot finish), and tells the Auto Scaling Group when that is done. METADATA and POLL_SECONDS
# are set by the test only.
set -euo pipefail
ROOT="${ROOT:-}"
METADATA="${METADATA:-http://169.254.169.254}"
POLL_SECONDS="${POLL_SECONDS:-5}"

# shellcheck source=/dev/null
source "$ROOT/etc/atelier/fleet.sh"

metadata() {
  local token
  token=$(curl -sf -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$METADATA/latest/api/token") || return 1
  curl -sf -m 2 -H "X-aws-ec2-metadata-token: $token" "$METADATA/latest/meta-data/$1"
}

# Prints why the instance ends, or nothing.
notice() {
  if [ "$(metadata autoscaling/target-lifecycle-state || true)" = Terminated ]; then
    echo lifecycle
  elif metadata spot/instance-action >/dev/null; then
    echo spot
  fi
}

until reason=$(notice) && [ -n "$reason" ]; do
  sleep "$POLL_SECONDS"
done

echo "$reason notice: draining $SERVICE"
systemctl stop "$SERVICE.service"
systemctl stop atelier-collector.service

# After a spot notice the group may not wait for this instance; then there is nobody to tell.
aws autoscaling complete-lifecycle-action --region "$REGION" \
  --auto-scaling-group-name "$SERVICE" --lifecycle-hook-name "$DRAIN_HOOK" \
  --instance-id "$(metadata instance-id)" --lifecycle-action-result CONTINUE ||
  [ "$reason" = spot ]
echo "$SERVICE is drained"
