"""What actionlint does not ask of the workflows: pinned actions, few rights, no keys."""

import pathlib
import re

import yaml

HERE = pathlib.Path(__file__).parent
WORKFLOWS = sorted((HERE / "workflows").glob("*.yml"))
ACTIONS = sorted((HERE / "actions").glob("*/action.yml"))

for path in WORKFLOWS + ACTIONS:
    text = path.read_text()
    for used in re.findall(r"uses: (\S+(?: # \S+)?)", text):
        assert used.startswith("./") or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), f"{path.name}: {used} is not pinned"
    assert not re.search(r"secrets\.|aws-access-key-id|AKIA", text), f"{path.name}: a key"

for path in WORKFLOWS:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}, path.name
    for name, job in workflow["jobs"].items():
        extra = job.get("permissions", {"contents": "read"})
        assert extra in ({"contents": "read"}, {"contents": "read", "id-token": "write"}), f"{path.name}: {name}"
        assert "uses" in job or "timeout-minutes" in job, f"{path.name}: {name} may run for ever"
        # The deploy role trusts environments only.
        if "id-token" in extra and "uses" not in job:
            assert "environment" in job, f"{path.name}: {name} gets no role without an environment"

# The role outlives the job that takes it, and Terraform lets it.
steps = yaml.safe_load((HERE / "workflows/deploy.yml").read_text())["jobs"]["deploy"]
(seconds,) = [step["with"]["seconds"] for step in steps["steps"] if step.get("uses") == "./.github/actions/terraform"]
longest = int(re.search(r"max_session_duration = (\d+)", (HERE.parent / "terraform/deploy.tf").read_text())[1])
assert steps["timeout-minutes"] * 60 <= seconds <= longest, f"a job of {steps['timeout-minutes']} min, a role for {seconds} s, at most {longest} s"

# Two architectures, each scanned before it can be released; advisories are looked at in each test.
release = yaml.safe_load((HERE / "workflows/release.yml").read_text())["jobs"]["build"]
assert {each["architecture"] for each in release["strategy"]["matrix"]["include"]} == {"amd64", "arm64"}
runs = [step.get("run", step.get("uses", "")) for step in release["steps"]]
assert runs.index("scripts/scan.sh atelier-api atelier-worker atelier-operator") < next(i for i, it in enumerate(runs) if "upload-artifact" in it)
assert yaml.safe_load((HERE / "workflows/test.yml").read_text())["jobs"]["test"]["env"]["CHECK_ADVISORIES"] == "yes"
assert "check advisories" in (HERE.parent / ".ci/run").read_text()

# A pull request plans with the role that reads.
plan = yaml.safe_load((HERE / "workflows/plan.yml").read_text())["jobs"]["plan"]
assert plan["environment"] == "plan-${{ matrix.environment }}" and "DEPLOY_ROLE" not in (HERE / "workflows/plan.yml").read_text()

jobs = yaml.safe_load((HERE / "workflows/release.yml").read_text())["jobs"]
assert jobs["staging"]["needs"] == ["test", "build"] and jobs["production"]["needs"] == "staging"
deploy = yaml.safe_load((HERE / "workflows/deploy.yml").read_text())["jobs"]["deploy"]
assert deploy["steps"][-1]["run"] == 'scripts/release.sh "$ENVIRONMENT" "$TAG"'
print(f"{len(WORKFLOWS)} workflows: pinned, without keys, with no more rights than they use")
