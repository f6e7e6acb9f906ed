#!/usr/bin/env bash
# Checks the overlays by Kubernetes' and KEDA's schemas and by Terraform's numbers.
# Run by deploy/test.sh, which brings the Python packages. Needs kubectl or Go, and Go for KEDA's.
set -euo pipefail
cd "$(dirname "$0")"

KEDA=github.com/kedacore/keda/v2@v2.17.2
KUSTOMIZE=sigs.k8s.io/kustomize/kustomize/v5@v5.6.0

kustomize() {
    if command -v kubectl >/dev/null; then
        kubectl kustomize "$1"
    else
        go run "$KUSTOMIZE" build "$1"
    fi
}

crds=$(cd / && go mod download -json "$KEDA" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')/config/crd/bases
for overlay in staging production; do
    kustomize "overlays/$overlay" | python3 test.py "$overlay" "$crds"
done
