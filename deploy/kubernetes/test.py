"""Checks what kustomize makes of an overlay: test.py OVERLAY KEDA_CRDS < MANIFESTS

Every resource against its schema (Kubernetes' own, KEDA's CRDs), then what we promise of it, then
that its numbers are Terraform's.
"""

import json
import math
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

VERSION = "1.37"
ROOT = pathlib.Path(__file__).parents[2]
TERRAFORM = ROOT / "terraform"
SCALING = json.loads((TERRAFORM / "scaling.json").read_text())


def closed(schema):
    """The schema, refusing fields that it does not name, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def keda_schemas(folder: pathlib.Path) -> dict:
    schemas = {}
    for path in folder.glob("keda.sh_*.yaml"):
        crd = yaml.safe_load(path.read_text())
        schema = closed(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        schemas[crd["spec"]["names"]["kind"]] = schema
    return schemas


def check_schemas(resources: list, keda: dict) -> None:
    for it in resources:
        if it["apiVersion"].startswith("keda.sh/"):
            jsonschema.Draft7Validator(keda[it["kind"]]).validate(it)
        else:
            kubernetes_validate.validate(it, VERSION, strict=True)


def variables(overlay: str) -> dict:
    """Terraform's variables in this environment: the defaults, then its tfvars. Plain values only."""
    plain = r'("(?:[^"\\]|\\.)*"|[0-9.]+|true|false|null)'
    found = {}
    for name, body in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', (TERRAFORM / "variables.tf").read_text(), re.S | re.M):
        if default := re.search(rf"^  default\s*= {plain}$", body, re.M):
            found[name] = json.loads(default[1])
        elif default := re.search(r"^  default\s*= (\[.*?\])$", body, re.S | re.M):
            found[name] = json.loads(re.sub(r",\s*\]", "]", default[1]))
    for name, value in re.findall(rf"^(\w+)\s*= {plain}", (TERRAFORM / f"environments/{overlay}.tfvars").read_text(), re.M):
        found[name] = json.loads(value)
    return found


def one(resources: list, kind: str, name: str) -> dict:
    found = [it for it in resources if it["kind"] == kind and re.sub(r"-[a-z0-9]{10}$", "", it["metadata"]["name"]) == name]
    assert len(found) == 1, f"{len(found)} of {kind}/{name}"
    return found[0]


def check_pods(resources: list, service: str, environment: dict) -> dict:
    """The promises of a deployment; returns its service's container."""
    full = f"atelier-{service}"
    deployment = one(resources, "Deployment", full)
    assert "replicas" not in deployment["spec"], f"{full}: its autoscaler says how many"
    pod = deployment["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == full
    assert re.fullmatch(r"arn:aws:iam::\d{12}:role/[\w-]+", one(resources, "ServiceAccount", full)["metadata"]["annotations"]["eks.amazonaws.com/role-arn"])
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "deploy/docker/Dockerfile").read_text()
    for container in pod["containers"] + pod["initContainers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"] and security["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys() and "memory" in container["resources"]["limits"]
    assert {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} == {each["topologyKey"] for each in pod["topologySpreadConstraints"]}

    (container,) = pod["containers"]
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] > before + int(environment["GRACE_SECONDS"]), f"{full}: killed before it drained"
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    (port,) = container["ports"]
    own = {each["name"]: each for each in container["env"]}
    assert own["LISTEN_ADDR"]["value"] == f"0.0.0.0:{port['containerPort']}"
    assert own["STORE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "store", "key": "STORE_URL"}
    assert f"{service}_port" in (network := (TERRAFORM / "network.tf").read_text()) and re.search(rf"{service}_port\s*= {port['containerPort']}\b", network)

    budget = one(resources, "PodDisruptionBudget", full)["spec"]
    assert budget["maxUnavailable"] == 1 and budget["selector"] == deployment["spec"]["selector"]
    return container


def check_numbers(resources: list, overlay: str) -> None:
    variable = variables(overlay)
    environment = one(resources, "ConfigMap", "environment")["data"]
    for name in ("claim_seconds", "grace_seconds", "max_attempts", "give_up_seconds", "reuse", "aws_region", "bedrock_region"):
        assert environment[name.upper()] == str(variable[name]), f"{name} is not Terraform's"
    assert environment["BEDROCK_MODELS"].split(",") == variable["bedrock_models"]
    fleet = (TERRAFORM / "fleet.tf").read_text()
    for name in environment.keys() - {"METRICS_LOG_GROUP"}:
        assert re.search(rf"\b{name}\s*=", fleet), f"Terraform gives no service {name}"

    api, worker = (check_pods(resources, service, environment) for service in ("api", "worker"))
    own = {each["name"]: each.get("value") for each in api["env"] + worker["env"]}
    assert own["WORKER_SLOTS"] == str(SCALING["worker"]["slots"])
    assert own["WEBP_QUALITY"] == str(variable["webp_quality"])
    assert own["CREATE_LIMIT_PER_MINUTE"] == str(variable["create_limit_per_minute"])
    for service in ("api", "worker"):
        (image,) = [each["image"] for each in one(resources, "Deployment", f"atelier-{service}")["spec"]["template"]["spec"]["containers"]]
        assert re.fullmatch(rf"\d{{12}}\.dkr\.ecr\.{variable['aws_region']}\.amazonaws\.com/{variable['name']}/atelier-{service}:[\w.-]+", image), image
        (sidecar,) = one(resources, "Deployment", f"atelier-{service}")["spec"]["template"]["spec"]["initContainers"]
        assert sidecar["image"] == variable["collector_image"] and sidecar["restartPolicy"] == "Always"

    inward = {
        "stabilizationWindowSeconds": SCALING["metric_period_seconds"] * SCALING["scale_in_alarm_periods"],
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": SCALING["worker"]["scale_in_cooldown_seconds"]}],
    }
    scaling = SCALING["api"]
    autoscaler = one(resources, "HorizontalPodAutoscaler", "atelier-api")["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (scaling["min"], scaling["max"])
    assert autoscaler["metrics"][0]["containerResource"]["target"]["averageUtilization"] == scaling["cpu_percent"]
    assert autoscaler["behavior"]["scaleDown"] == inward

    scaling = SCALING["worker"]
    scaled = one(resources, "ScaledObject", "atelier-worker")["spec"]
    least = variable["worker_min"] if variable.get("worker_min") is not None else scaling["min"]
    pictures_a_minute = scaling["slots"] * 60 / scaling["seconds_per_picture"]
    most = max(1, least, math.ceil(variable["model_quota_per_minute"] / pictures_a_minute))
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (least, most)
    queue, cpu = (trigger["metadata"] for trigger in scaled["triggers"])
    assert queue["queueLength"] == str(scaling["backlog_per_worker"]) and queue["awsRegion"] == variable["aws_region"]
    assert queue["queueURLFromEnv"] in environment
    assert queue["scaleOnInFlight"] == str(SCALING["kubernetes"]["scale_on_in_flight"]).lower()
    assert scaled["pollingInterval"] == SCALING["kubernetes"]["polling_seconds"]
    assert cpu["value"] == str(scaling["cpu_percent"])
    assert scaled["cooldownPeriod"] == inward["stabilizationWindowSeconds"]
    # Outward nothing but Kubernetes' own policies, which the load test's replay has too.
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == {"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": inward}
    # Seen, decided, booted: within the five minutes that Terraform's fleets keep.
    assert scaled["pollingInterval"] + 15 + scaling["boot_seconds"] <= SCALING["scale_out_limit_seconds"]


def check_collector(resources: list) -> None:
    """The same collector as Terraform's, its gaps filled by the environment."""
    metrics = (TERRAFORM / "monitoring.tf").read_text()
    gaps = {
        "region": "${env:AWS_REGION}",
        "log_group": "${env:METRICS_LOG_GROUP}",
        "namespace": re.search(r'^    namespace\s*= "(\w+)"', metrics, re.M)[1],
    }
    template = (TERRAFORM / "collector.yaml").read_text()
    expected = re.sub(r"(?<!\$)\$\{(\w+)\}", lambda gap: gaps[gap[1]], template)
    here = one(resources, "ConfigMap", "collector")["data"]["AOT_CONFIG_CONTENT"]
    assert yaml.safe_load(here) == yaml.safe_load(expected), "base/collector.yaml is not terraform/collector.yaml"


def main() -> None:
    overlay, crds = sys.argv[1:]
    resources = list(yaml.safe_load_all(sys.stdin))
    check_schemas(resources, keda_schemas(pathlib.Path(crds)))
    check_numbers(resources, overlay)
    check_collector(resources)
    print(f"{overlay}: {len(resources)} resources fit their schemas, our promises and Terraform's numbers")


if __name__ == "__main__":
    main()
