#!/usr/bin/env python3
"""Applies the stack on an emulator (moto), plans again, and wants no change of what it holds.

Usage: emulator.py FLEET [TERRAFORM_INIT_ARGUMENT...]

What moto cannot hold is left out by the override files in emulator/, each with its reason:
CloudFront's cache and headers policies and its monitoring subscription, the bucket's request
metrics, the least size in a lifecycle rule, the denial of plain HTTP, the redrive allow policy,
ECS's scaling.
moto stores configuration and runs nothing: lifecycle, alarms, scaling, the CDN and the bucket's
policy take no effect there. Those are asserted as configuration by the *.tftest.hcl files.
"""

# Feature: s3-image-storage, Property 4: Terraform idempotence

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

STACK = Path(__file__).resolve().parent.parent

# What moto takes and does not give back, or gives back otherwise. A second plan may want these
# again, and nothing else. Seen with moto 5.2.5.
FORGOTTEN = {
    # The origin access control; and it claims SNI for CloudFront's own certificate.
    "aws_cloudfront_distribution": {"origin", "viewer_certificate"},
    # Of a rule that names another group.
    "aws_vpc_security_group_egress_rule": {"description"},
    "aws_vpc_security_group_ingress_rule": {"description"},
    # The mixed instances of a group, and defaults that AWS fills in.
    "aws_autoscaling_group": {"capacity_reservation_specification", "default_instance_warmup", "mixed_instances_policy"},
    "aws_autoscaling_policy": {"enabled", "predictive_scaling_configuration"},
    "aws_launch_template": {"tag_specifications"},
    # A service's capacity providers, so that the provider would replace it, and defaults.
    "aws_ecs_service": {
        "availability_zone_rebalancing",
        "capacity_provider_strategy",
        "deployment_controller",
        "health_check_grace_period_seconds",
        "tags",
    },
}


def main() -> None:
    fleet, init_arguments = sys.argv[1], sys.argv[2:]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    environment = os.environ | {"AWS_ENDPOINT_URL": endpoint, "TF_IN_AUTOMATION": "1"}
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory) / "terraform"
        shutil.copytree(STACK, work, ignore=shutil.ignore_patterns("tests", ".terraform*", ".venv"))
        for override in (STACK / "tests/emulator").rglob("override.tf.in"):
            target = work / override.relative_to(STACK / "tests/emulator")
            shutil.copy(override, target.with_name("override.tf"))

        def terraform(*arguments: str) -> int:
            command = ["terraform", f"-chdir={work}", *arguments]
            return subprocess.run(command, env=environment, timeout=900).returncode

        variables = [f"-var=fleet={fleet}", "-var=deletion_protection=false", "-input=false", "-no-color"]
        if terraform("init", "-input=false", "-no-color", *init_arguments) != 0:
            sys.exit("terraform init failed")
        if terraform("apply", "-auto-approve", "-compact-warnings", *variables) != 0:
            sys.exit("the emulator refused the stack")
        if terraform("plan", "-out=again", *variables) != 0:
            sys.exit("the second plan failed")
        show = subprocess.run(
            ["terraform", f"-chdir={work}", "show", "-json", "again"], env=environment, capture_output=True, check=True
        )
        if wanted := unexpected_changes(json.loads(show.stdout)):
            sys.exit("a second apply would change " + ", ".join(wanted))
        check_what_is_there(endpoint)
        if terraform("destroy", "-auto-approve", *variables) != 0:
            sys.exit("the stack could not be destroyed")
    server.stop()
    print(f"emulator: {fleet}: applied, no change of what moto holds at the second plan, destroyed")


def unexpected_changes(plan: dict) -> list[str]:
    """The attributes that a plan would change, without those that moto forgets."""
    wanted = []
    for resource in plan["resource_changes"]:
        change = resource["change"]
        if change["actions"] in (["no-op"], ["read"]):
            continue
        before, after = change["before"] or {}, change["after"] or {}
        # What is not known yet follows from what is, so only known values are compared.
        differing = {name for name in before if name in after and not same(before[name], after[name])}
        differing |= {path[0] for path in change.get("replace_paths", [])}
        if unforgotten := sorted(differing - FORGOTTEN.get(resource["type"], set())):
            wanted.append(f"{resource['address']} ({'/'.join(change['actions'])}: {', '.join(unforgotten)})")
    return wanted


def same(left, right) -> bool:
    """Whether two values are equal; JSON texts are compared as what they say."""
    try:
        return left == right or json.loads(left) == json.loads(right)
    except (TypeError, ValueError):
        return False


def check_what_is_there(endpoint: str) -> None:
    """Reads through AWS's own API what the issue's numbers became."""

    def client(service: str):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-west-2",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    s3, sqs = client("s3"), client("sqs")
    (bucket,) = [b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith("education-portal-images-")]
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256", encryption
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    rule = next(r for r in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] if r["ID"] == "retention-standard")
    assert {t["StorageClass"]: t["Days"] for t in rule["Transitions"]} == {"STANDARD_IA": 90, "GLACIER_IR": 270}, rule
    assert rule["Expiration"]["Days"] == 635, rule
    assert s3.head_object(Bucket=bucket, Key="placeholder.svg")["ContentType"] == "image/svg+xml"
    url = sqs.get_queue_url(QueueName="atelier-jobs")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "60" and '"maxReceiveCount": 1000' in attributes["RedrivePolicy"], attributes


if __name__ == "__main__":
    main()
