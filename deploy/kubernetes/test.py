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
        elif it["apiVersion"].startswith("external-secrets.io/"):
            continue  # Its schema is in no registry that is used here: check_secret looks at what we rely on.
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
    for name in ("claim_seconds", "grace_seconds", "max_attempts", "give_up_seconds", "reuse", "budget_usd_per_day", "budget_usd_per_teacher_per_day", "aws_region", "bedrock_region"):
        assert environment[name.upper()] == str(variable[name]), f"{name} is not Terraform's"
    assert environment["BEDROCK_MODELS"].split(",") == variable["bedrock_models"]
    fleet = (TERRAFORM / "fleet.tf").read_text()
    for name in environment.keys() - {"METRICS_LOG_GROUP"}:
        assert re.search(rf"\b{name}\s*=", fleet), f"Terraform gives no service {name}"

    assert one(resources, "ConfigMap", "identity")["data"] == {"AUTH": "off"} or "AUTH_ISSUER" in one(resources, "ConfigMap", "identity")["data"]
    api, worker = (check_pods(resources, service, environment) for service in ("api", "worker"))
    assert {"secretRef": {"name": "identity", "optional": True}} in api["envFrom"], "the API lacks its identity's secrets"
    # The key that signs the addresses of pictures is the API's alone.
    assert {"name": "pictures", "optional": True} in [each.get("secretRef") for each in api["envFrom"]]
    assert not any("secretRef" in each for each in worker["envFrom"]), "a worker has the API's secrets"
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


def ports(policy_ports: list) -> set:
    """Ports and ranges of a policy's rule."""
    return {(it["port"], it.get("endPort", it["port"])) for it in policy_ports}


def check_network(resources: list) -> None:
    """Nobody enters but the ingress; out go the ports of Terraform's security groups."""
    rules = (TERRAFORM / "network.tf").read_text()
    groups = re.findall(r'egress_rule" "(https|store)" \{.*?from_port\s*= (\d+)\n\s*to_port\s*= (\d+)', rules, re.S)
    (outward,) = [it for it in resources if it["kind"] == "NetworkPolicy" and it["metadata"]["name"] == "outward"]
    internet = [rule for rule in outward["spec"]["egress"] if rule.get("to", [{}])[0].get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
    assert len(internet) == 1 and len(groups) == 2
    assert ports(internet[0]["ports"]) == {(int(least), int(most)) for _, least, most in groups}, "the ports are not Terraform's"
    assert internet[0]["to"][0]["ipBlock"]["except"] == ["169.254.0.0/16"], "the node's credentials are in reach"
    inward = {it["metadata"]["name"]: it["spec"] for it in resources if it["kind"] == "NetworkPolicy" and it["spec"].get("ingress")}
    assert inward.keys() == {"api"}, "only the API is entered"
    for rule in inward["api"]["ingress"]:
        assert [list(peer) for peer in rule["from"]] == [["namespaceSelector"]] and rule["ports"] == [{"port": "http"}]
    deny = one(resources, "NetworkPolicy", "deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def check_ingress(resources: list) -> None:
    """Where an overlay has an Ingress: by TLS, to an API that knows its callers and its own name."""
    for it in (it for it in resources if it["kind"] == "Ingress"):
        (host,) = {rule["host"] for rule in it["spec"]["rules"]}
        assert it["spec"]["tls"] == [{"hosts": [host], "secretName": "atelier-api-tls"}]
        assert it["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"
        backend = it["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert backend["name"] == one(resources, "Service", "atelier-api")["metadata"]["name"]
        identity = one(resources, "ConfigMap", "identity")["data"]
        assert identity.get("PUBLIC_URL") == f"https://{host}", "people sign in at another name"
        assert {"AUTH_ISSUER", "AUTH_CLIENT_ID", "TRUSTED_PROXIES"} <= identity.keys() and "AUTH" not in identity, "everybody may call"


def check_secret(resources: list, overlay: str) -> None:
    """Where an overlay has secrets made: those that the pods read, from Terraform's."""
    theirs = {"store": {"STORE_URL": "store-url"}, "identity": {"SESSION_KEYS": "session-keys", "AUTH_CLIENT_SECRET": "client-secret"}}
    for it in (it for it in resources if it["kind"] == "ExternalSecret"):
        made = {each["secretKey"]: each["remoteRef"]["key"] for each in it["spec"]["data"]}
        assert made == {key: f"{variables(overlay)['name']}/{name}" for key, name in theirs[it["spec"]["target"]["name"]].items()}


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
    check_network(resources)
    check_ingress(resources)
    check_secret(resources, overlay)
    print(f"{overlay}: {len(resources)} resources fit their schemas, our promises and Terraform's numbers")


if __name__ == "__main__":
    main()
