"""scripts/operator.sh against stand-ins for terraform and aws: what it starts, and how it ends."""

import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
INSTALLATION = {
    "cluster": "a-operator",
    "task_definition": "a-operator",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "security_group_id": "sg-1",
    "log_group": "/a/operator",
    "region": "us-west-2",
    "roles": {"operator": "arn:operator", "api": "arn:api", "worker": "arn:worker"},
}

AWS = r"""#!/bin/bash
printf '%s\0' "$@" >>"$CALLS"; printf '\n' >>"$CALLS"
case $2 in
    run-task) cat <<<"$STARTED" ;;
    describe-tasks)
        echo >>"$CALLS.looks"
        # It runs at the first look.
        if [ "$(wc -l <"$CALLS.looks")" = 1 ]; then echo '{"tasks": [{"lastStatus": "RUNNING"}]}'; else cat <<<"$ENDED"; fi ;;
    get-log-events) echo '{"events": [{"message": "all is well"}]}' ;;
esac
"""


def run(*arguments: str, installation=INSTALLATION, started=True, container={"exitCode": 0}):
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        for name, text in {"aws": AWS, "terraform": "#!/bin/bash\ncat <<<\"$INSTALLATION\"\n"}.items():
            (here / name).write_text(text)
            (here / name).chmod(0o755)
        environment = os.environ | {
            "PATH": f"{here}:{os.environ['PATH']}",
            "CALLS": str(here / "calls"),
            "INSTALLATION": json.dumps(installation),
            "STARTED": json.dumps({"tasks": [{"taskArn": "arn:task/a-operator/77"}] if started else [], "failures": []}),
            "ENDED": json.dumps({"tasks": [{"lastStatus": "STOPPED", "stoppedReason": "no image", "containers": [container]}]}),
            "POLL_SECONDS": "0",
        }
        done = subprocess.run([ROOT / "scripts/operator.sh", *arguments], env=environment, capture_output=True, text=True)
        calls = (here / "calls").read_text().split("\n") if (here / "calls").exists() else []
        return done, [call.split("\0") for call in calls if call]


done, calls = run("smoke", "https://x.test", "600")
assert (done.returncode, done.stdout) == (0, "all is well\n"), done
task = calls[0]
overrides = json.loads(task[task.index("--overrides") + 1])
assert overrides == {"taskRoleArn": "arn:operator", "containerOverrides": [{"name": "operator", "command": ["smoke", "https://x.test", "600"]}]}, overrides
network = json.loads(task[task.index("--network-configuration") + 1])
assert network["awsvpcConfiguration"] == {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
assert "operator/operator/77" in calls[-1]

_, calls = run("--role", "worker", "doctor", "--of", "worker")
assert "arn:worker" in calls[0][calls[0].index("--overrides") + 1]
# The command's own exit code, and that of a task that never ran.
assert run("audit", container={"exitCode": 1})[0].returncode == 1
for done, _ in (run("audit", container={}), run("audit", started=False), run("audit", installation=None), run("--role", "root", "audit")):
    assert done.returncode == 70 and done.stderr.startswith("operator: "), done
assert run()[0].returncode == 64
print("operator: 8 courses")
