#!/usr/bin/env bash
# Writes a CycloneDX list of what is in each image to sbom/, and fails where one has a hole of severity
# high or critical for which there is a fix: scripts/scan.sh IMAGE...
# Needs Docker, syft and grype (installed by Go's module proxy, whose checksums Go checks).
set -euo pipefail

if (($# < 1)); then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 64
fi
SYFT=github.com/anchore/syft/cmd/syft@v1.22.0
GRYPE=github.com/anchore/grype/cmd/grype@v0.91.0

for tool in "$SYFT" "$GRYPE"; do
    name=${tool%@*}
    command -v "${name##*/}" >/dev/null || go install "$tool"
done
PATH=$PATH:$(go env GOPATH)/bin

mkdir -p sbom
for image in "$@"; do
    syft scan "docker:$image" --output "cyclonedx-json=sbom/$image.json"
    grype "sbom:sbom/$image.json" --only-fixed --fail-on high
done
