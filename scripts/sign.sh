#!/usr/bin/env bash
# Signs the images of a tag by the key COSIGN_KEY, and attaches to each its list of contents (CycloneDX)
# and where it was built (SLSA provenance): scripts/sign.sh TAG
# Needs terraform (terraform/ initialized), cosign (installed by Go), jq, sbom/ of scripts/scan.sh, and
# a login to the registry. GITHUB_* is as GitHub sets it.
set -euo pipefail

if (($# != 1)) || [ -z "${COSIGN_KEY:-}" ]; then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 64
fi
tag=$1
cd "$(dirname "$0")/.."
COSIGN=github.com/sigstore/cosign/v2/cmd/cosign@v2.4.3

command -v cosign >/dev/null || go install "$COSIGN"
PATH=$PATH:$(go env GOPATH)/bin
repositories=$(terraform -chdir=terraform output -json repositories)
provenance=$(mktemp)
trap 'rm -f "$provenance"' EXIT
jq --null-input --arg source "git+$GITHUB_SERVER_URL/$GITHUB_REPOSITORY@refs/heads/main" --arg commit "$GITHUB_SHA" \
    --arg run "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID" '{
    buildDefinition: {
        buildType: "https://actions.github.io/buildtypes/workflow/v1",
        externalParameters: {workflow: {path: ".github/workflows/release.yml"}},
        resolvedDependencies: [{uri: $source, digest: {gitCommit: $commit}}]
    },
    runDetails: {builder: {id: "https://github.com/actions/runner"}, metadata: {invocationId: $run}}
}' >"$provenance"

for service in api worker operator; do
    repository=$(jq --raw-output --arg service "$service" '.[$service]' <<<"$repositories")
    # By digest: a tag could mean something else by now.
    image=$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$repository:$tag" | grep --fixed-strings "$repository@")
    cosign sign --yes --tlog-upload=false --key "$COSIGN_KEY" "$image"
    cosign attest --yes --tlog-upload=false --key "$COSIGN_KEY" --type cyclonedx --predicate "sbom/atelier-$service.json" "$image"
    cosign attest --yes --tlog-upload=false --key "$COSIGN_KEY" --type slsaprovenance1 --predicate "$provenance" "$image"
done
