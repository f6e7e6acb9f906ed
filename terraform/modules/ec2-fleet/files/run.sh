#!/bin/bash
# Runs the service's container in the foreground, with its environment and its secrets.
set -euo pipefail
ROOT="${ROOT:-}"

# shellcheck source=/dev/null
source "$ROOT/etc/atelier/environment.sh"
# shellcheck source=/dev/null
source "$ROOT/etc/atelier/fleet.sh"

# A secret goes from Secrets Manager into the container and never onto the disk.
for secret in $SECRETS; do
  value=$(aws secretsmanager get-secret-value --region "$REGION" --secret-id "${secret#*=}" --query SecretString --output text)
  export "${secret%%=*}=$value"
  VARIABLES+=" ${secret%%=*}"
done

registry=${IMAGE%%/*}
case $registry in
  *.dkr.ecr.*)
    aws ecr get-login-password --region "$REGION" | docker login --username AWS --password-stdin "$registry"
    ;;
esac
docker pull "$IMAGE"

environment=()
for variable in $VARIABLES; do
  environment+=(--env "$variable")
done

exec docker run --rm --name "$SERVICE" --network host \
  --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
  --log-driver awslogs --log-opt awslogs-region="$REGION" --log-opt awslogs-group="$LOG_GROUP" \
  --log-opt tag="$(hostname)/{{.ID}}" \
  "${environment[@]}" "$IMAGE"
