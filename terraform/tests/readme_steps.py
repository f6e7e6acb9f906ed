#!/usr/bin/env python3
"""Runs the README's steps from an empty account to the first picture, in the order in which they are
printed, against an emulator (moto). A step without commands that run here fails.

Usage: readme_steps.py DIRECTORY_OF_BINARIES [TERRAFORM_INIT_ARGUMENT...]

The commands run as they are printed, in one shell, with the real Terraform, AWS CLI, curl and scripts.
STAND_INS says what an emulator has not, and what takes its place. What moto cannot hold of the stack
is left out as emulator.py says.
"""

import base64
import logging
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
from moto.ecs.models import EC2ContainerServiceBackend
from moto.server import ThreadedMotoServer

from emulator import STACK

REPOSITORY = STACK.parent
ACCOUNT_REGION = "us-west-2"

STAND_INS = {
    "docker": "no daemon: `build` looks for the Dockerfile's target, `push` tells the emulator's registry the tag",
    "Bedrock": "Atelier's embedded cloud answers for it",
    "MongoDB": "a SQLite file, since no command here can make an Atlas cluster",
    "EC2's instances": "atelier-api and atelier-worker of this build, with the environment of the user data that Terraform rendered",
    "Fargate": "the task's command is run by `atelier` of this build, with the environment of its task definition",
    "the load balancer": "curl is sent to the API's port, whatever the name in the address leads to",
    "the bucket's policy": "left out: moto ignores its conditions, and would refuse the pictures to the services' roles, too",
    "a second plan": "exit code 2 counts only for what the emulator does not forget (emulator.py's FORGOTTEN)",
}

DOCKER = r"""#!/bin/bash
set -euo pipefail
command=$1
shift
case $command in
  login) [ -n "$(cat)" ] && [[ ${!#} == *.dkr.ecr.* ]] ;;
  build)
    [ -d "${!#}" ]
    while (($# > 1)); do
      case $1 in --file) file=$2 ;; --target) target=$2 ;; --tag) tag=$2 ;; esac
      shift
    done
    grep -q " AS $target$" "$file"
    echo "$tag" >>"$STEPS/built"
    ;;
  push)
    grep -qxF "$1" "$STEPS/built"
    name=${1#*/}
    aws ecr put-image --region us-west-2 --repository-name "${name%:*}" --image-tag "${name##*:}" \
      --image-manifest "{\"schemaVersion\": 2, \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"config\": {\"digest\": \"sha256:$(sha256sum <<<"$1" | cut -d ' ' -f 1)\"}, \"layers\": []}" >/dev/null
    ;;
  *) echo "docker $command has no counterpart here" >&2; exit 64 ;;
esac
"""

# The second version of the AWS CLI asks for the format; the first, which a registry has, lacks the option.
AWS = r"""#!/bin/bash
arguments=()
while (($# > 0)); do
  case $1 in
    --cli-binary-format) shift ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
exec "$REAL_AWS" "${arguments[@]}"
"""

CURL = r"""#!/bin/bash
exec "$REAL_CURL" --retry 30 --retry-delay 1 --retry-connrefused --connect-to "::127.0.0.1:$API_PORT" "$@"
"""

TERRAFORM = r"""#!/bin/bash
for argument; do
  if [ "$argument" = -detailed-exitcode ]; then exec "$PYTHON" "$PLAN_TWICE" "$@"; fi
done
exec "$REAL_TERRAFORM" "$@"
"""

PLAN_TWICE = """
import json, os, subprocess, sys
sys.path.insert(0, os.environ["TESTS"])
from emulator import unexpected_changes
terraform = os.environ["REAL_TERRAFORM"]
arguments = [it for it in sys.argv[1:] if it != "-detailed-exitcode"]
subprocess.run([terraform, *arguments, "-out=again"], check=True)
shown = subprocess.run([terraform, "show", "-json", "again"], capture_output=True, check=True)
if changes := unexpected_changes(json.loads(shown.stdout)):
    sys.exit("the second plan would change " + ", ".join(changes))
"""


def steps() -> list:
    """The numbered steps: (number, title, [(language, text) of each fenced block])."""
    readme = (STACK / "README.md").read_text()
    section = readme[readme.index("## From an empty account") : readme.index("**A name.**")]
    found = []
    for number, text in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", section, re.M | re.S):
        title = re.search(r"\*\*(.+?)\*\*", text)[1]
        blocks = re.findall(r"^ *```(\w+)\n(.*?)^ *```", text, re.M | re.S)
        found.append((int(number), title.strip(".,?"), [(language, dedented(block)) for language, block in blocks]))
    return found


def dedented(block: str) -> str:
    return re.sub(r"^ {3}", "", block, flags=re.M)


def script() -> str:
    """One script of all steps, which says where it is."""
    parts = ["set -euo pipefail"]
    for number, title, blocks in steps():
        if not blocks:
            sys.exit(f"step {number} ({title}) has nothing that can be run")
        parts.append(f"echo {shlex.quote(f'== step {number}: {title}')} | tee -a \"$STEPS/done\"")
        for language, text in blocks:
            if language == "sh":
                parts.append(text)
            elif language == "hcl":
                parts.append(f"cat >backend.tf <<'END_OF_FILE'\n{text}END_OF_FILE")
            else:
                sys.exit(f"step {number} ({title}): a block of {language} has no counterpart")
    parts.append("echo done >>\"$STEPS/done\"")
    return "\n".join(parts)


class Cloud:
    """The emulator, and beside it what stands in for what it has not."""

    def __init__(self, binaries: Path, work: Path):
        self.binaries, self.work = binaries, work
        self.processes = []
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.bedrock = self.start_bedrock()
        self.run_tasks_by_atelier()

    def client(self, service: str):
        return boto3.client(service, endpoint_url=self.endpoint, region_name=ACCOUNT_REGION,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def spawn(self, name: str, arguments: list, environment: dict) -> subprocess.Popen:
        log = (self.work / f"{Path(name).name}.log").open("w")
        process = subprocess.Popen([self.binaries / name, *arguments], env=environment, stdout=log, stderr=log, cwd=self.work)
        self.processes.append(process)
        return process

    def start_bedrock(self) -> str:
        data = self.work / "embedded"
        self.spawn("atelier", ["cloud", "--data", str(data), "--model-latency", "0"], {"PATH": os.environ["PATH"]})
        for _ in range(300):
            environment = data / "environment"
            if environment.exists() and (found := re.search(r"^AWS_ENDPOINT_URL_BEDROCK_RUNTIME=['\"]?([^'\"\n]+)", environment.read_text(), re.M)):
                return found[1]
            time.sleep(0.1)
        sys.exit("the embedded cloud does not start")

    def environment(self, rendered: dict) -> dict:
        """What Terraform rendered for a process, with the stand-ins' addresses."""
        return rendered | {
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL_SQS": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ENDPOINT_URL_CLOUDFRONT": self.endpoint,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.bedrock,
            "STORE_URL": f"sqlite:{self.work}/documents.db",
            # No collector runs here.
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        }

    def run_tasks_by_atelier(self) -> None:
        """Has each task that is started on Fargate run its command, and log, before it is described."""
        start = EC2ContainerServiceBackend.run_task
        cloud = self

        def run_task(backend, *arguments, **named):
            tasks = start(backend, *arguments, **named)
            for task in tasks:
                (container,) = backend.describe_task_definition(task.task_definition_arn).container_definitions
                cloud.run_task(task, container)
            return tasks

        EC2ContainerServiceBackend.run_task = run_task
        # moto adds up the containers' own memory, which a task on Fargate need not have.
        EC2ContainerServiceBackend._calculate_task_resource_requirements = lambda *_: {}

    def run_task(self, task, container: dict) -> None:
        rendered = {it["name"]: it["value"] for it in container["environment"]}
        (override,) = task.overrides["containerOverrides"]
        done = subprocess.run([self.binaries / "atelier", *override["command"]], env=self.environment(rendered),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, cwd=self.work)
        task.containers[0].exitCode = done.returncode
        options = container["logConfiguration"]["options"]
        stream = {"logGroupName": options["awslogs-group"], "logStreamName": f"operator/operator/{task.task_arn.split('/')[-1]}"}
        logs, now = self.client("logs"), int(time.time() * 1000)
        logs.create_log_stream(**stream)
        if lines := done.stdout.splitlines():
            logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": line or " "} for line in lines])

    def start_instances(self, port: int) -> None:
        """Starts the services once their launch templates are there, as instances would."""
        ec2 = self.client("ec2")
        wanted = {"atelier-api": port, "atelier-worker": None}
        while wanted:
            templates = ec2.describe_launch_templates()["LaunchTemplates"]
            for program in list(wanted):
                service = program.removeprefix("atelier-")
                for template in templates:
                    if not template["LaunchTemplateName"].startswith(f"atelier-staging-{service}"):
                        continue
                    rendered = self.user_data_environment(ec2, template["LaunchTemplateId"])
                    address = f"127.0.0.1:{port}" if program == "atelier-api" else "127.0.0.1:0"
                    self.spawn(program, [], self.environment(rendered) | {"LISTEN_ADDR": address})
                    del wanted[program]
                    break
            time.sleep(0.5)

    def user_data_environment(self, ec2, template: str) -> dict:
        versions = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
        data = base64.b64decode(versions[-1]["LaunchTemplateData"]["UserData"])
        if data[:2] == b"\x1f\x8b":
            import gzip

            data = gzip.decompress(data)
        text = data.decode()
        lines = text[text.index("environment.sh") :].split("END_OF_FILE")[1]
        return dict(re.findall(r"^export (\w+)='(.*)'$", lines, re.M))

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=60)
        self.server.stop()


def prepare(work: Path) -> Path:
    """A copy of what the steps use, with the emulator's overrides; returns the stack's directory."""
    stack = work / "repository" / "terraform"
    shutil.copytree(STACK, stack, ignore=shutil.ignore_patterns("tests", ".terraform*", ".venv"))
    for override in (STACK / "tests/emulator").rglob("override.tf.in"):
        shutil.copy(override, (stack / override.relative_to(STACK / "tests/emulator")).with_name("override.tf"))
    (stack / "steps_override.tf").write_text('resource "aws_s3_bucket_policy" "images" {\n  count = 0\n}\n')
    for name in ("scripts", "deploy/docker"):
        shutil.copytree(REPOSITORY / name, stack.parent / name)
    subprocess.run("git init -q . && git add . && git -c user.name=test -c user.email=test@example.org commit -qm test",
                   shell=True, cwd=stack.parent, check=True)
    return stack


def stand_ins(work: Path) -> Path:
    directory = work / "bin"
    directory.mkdir()
    for name, text in {"docker": DOCKER, "aws": AWS, "curl": CURL, "terraform": TERRAFORM}.items():
        path = directory / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (directory / "plan_twice.py").write_text(PLAN_TWICE)
    return directory


def free_port() -> int:
    import socket

    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def main() -> None:
    binaries, init_arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
    for name in ("atelier", "atelier-api", "atelier-worker"):
        if not (binaries / name).exists():
            sys.exit(f"{binaries / name} is missing: cargo build --workspace")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    text = script()
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        stack = prepare(work)
        bin_directory = stand_ins(work)
        cloud = Cloud(binaries, work)
        # Once the second apply is done; until then no launch template is there.
        threading.Thread(target=cloud.start_instances, args=[port], daemon=True).start()
        environment = os.environ | {
            "PATH": f"{bin_directory}:{os.environ['PATH']}",
            "STEPS": directory,
            "TESTS": str(STACK / "tests"),
            "PYTHON": sys.executable,
            "PLAN_TWICE": str(bin_directory / "plan_twice.py"),
            "REAL_AWS": shutil.which("aws"),
            "REAL_CURL": shutil.which("curl"),
            "REAL_TERRAFORM": shutil.which("terraform"),
            "API_PORT": str(port),
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": cloud.bedrock,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "POLL_SECONDS": "0.1",
            "LIMIT_SECONDS": "120",
            "TF_IN_AUTOMATION": "1",
            # The emulator has no host names for buckets.
            "TF_CLI_ARGS_init": " ".join(["-input=false -no-color -backend-config=use_path_style=true", *init_arguments]),
            # A person answers yes.
            "TF_CLI_ARGS_apply": "-auto-approve -input=false -no-color -compact-warnings",
            "TF_CLI_ARGS_plan": "-input=false -no-color",
        }
        ended = subprocess.run(["bash", "-c", text], cwd=stack, env=environment, timeout=1500).returncode
        passed = (work / "done").read_text().splitlines() if (work / "done").exists() else []
        cloud.stop()
        if ended != 0 or passed[-1:] != ["done"]:
            for log in work.glob("*.log"):
                print(f"--- {log.name}", *log.read_text().splitlines()[-15:], sep="\n")
            sys.exit(f"README: {passed[-1] if passed else 'no step'} failed with exit code {ended}")
        if not list(work.glob("documents.db")):
            sys.exit("README: no picture was made")
    for name, what in STAND_INS.items():
        print(f"README: stand-in for {name}: {what}")
    print(f"README: {len(steps())} steps ran in their order")


if __name__ == "__main__":
    main()
