#!/bin/bash
# Tells the Auto Scaling Group whether the service lives: it is in service once it lived for the first
# time, is given up where it never does (a release that crashes is rolled back), and is replaced where it
# stops living. A store or a model that is away is no reason: /health/live does not ask them.
# METADATA and the seconds are set by the test only.
set -euo pipefail
ROOT="${ROOT:-}"
METADATA="${METADATA:-http://169.254.169.254}"
POLL_SECONDS="${POLL_SECONDS:-5}"
BOOT_SECONDS="${BOOT_SECONDS:-420}"
DEAD_SECONDS="${DEAD_SECONDS:-120}"

# shellcheck source=/dev/null
source "$ROOT/etc/atelier/fleet.sh"

metadata() {
  local token
  token=$(curl -sf -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$METADATA/latest/api/token") || return 1
  curl -sf -m 2 -H "X-aws-ec2-metadata-token: $token" "$METADATA/latest/meta-data/$1"
}

lives() { curl -sf -m 5 -o /dev/null "http://127.0.0.1:$PORT/health/live"; }

# An instance that was in service before a reboot has no hook to complete.
launched() {
  aws autoscaling complete-lifecycle-action --region "$REGION" --auto-scaling-group-name "$SERVICE" \
    --lifecycle-hook-name "$LAUNCH_HOOK" --instance-id "$(metadata instance-id)" --lifecycle-action-result "$1" || true
}

until lives; do
  if ((SECONDS >= BOOT_SECONDS)); then
    echo "$SERVICE never lived: this instance is given up"
    launched ABANDON
    exit 0
  fi
  sleep "$POLL_SECONDS"
done
launched CONTINUE

last=$SECONDS
while ((SECONDS - last < DEAD_SECONDS)); do
  sleep "$POLL_SECONDS"
  if lives; then last=$SECONDS; fi
done
# While it drains it is not replaced: it ends anyway.
if [ "$(metadata autoscaling/target-lifecycle-state || true)" != Terminated ]; then
  echo "$SERVICE has not lived for $DEAD_SECONDS s: this instance is replaced"
  aws autoscaling set-instance-health --region "$REGION" --instance-id "$(metadata instance-id)" \
    --health-status Unhealthy --no-should-respect-grace-period
fi
