#!/usr/bin/env bash
# Checks the overlays by Kubernetes' and KEDA's schemas and by Terraform's numbers.
# Run by deploy/test.sh, which brings the Python packages. Needs Go, and kubectl or Go for kustomize.
set -euo pipefail
cd "$(dirname "$0")"

KEDA=github.com/kedacore/keda/v2@v2.17.2
KUBECONFORM=github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
KUSTOMIZE=sigs.k8s.io/kustomize/kustomize/v5@v5.6.0

kustomize() {
    if command -v kubectl >/dev/null; then
        kubectl kustomize "$1"
    else
        go run "$KUSTOMIZE" build "$1"
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

crds=$(cd / && go mod download -json "$KEDA" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')/config/crd/bases
# kubeconform with the schemas that the Python package brings, whose references are made files: nothing
# is fetched while it checks.
schemas=$(python3 -c 'import kubernetes_validate, os; print(os.path.dirname(kubernetes_validate.__file__))')/kubernetes-json-schema/v1.37.0-local-strict
mkdir "$work/schemas"
cp "$schemas"/*.json "$work/schemas/"
sed -i "s#\"/api/_definitions.json#\"file://$work/schemas/_definitions.json#g" "$work"/schemas/*.json
conform() {
    go run "$KUBECONFORM" -strict -summary -kubernetes-version 1.37.0 -skip ScaledObject,TriggerAuthentication,ExternalSecret \
        -schema-location "$work/schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"
}
for overlay in staging production; do
    kustomize "overlays/$overlay" >"$work/$overlay.yaml"
    conform <"$work/$overlay.yaml"
    python3 test.py "$overlay" "$crds" <"$work/$overlay.yaml"
done
