"""scripts/release.sh and scripts/rollout.sh against stand-ins for terraform, aws and the API."""

import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parents[1]

TERRAFORM = """#!/bin/bash
shift  # -chdir
case "$1 $2 $3" in
    "output -json release")
        [ -e state ] || exit 1
        printf '{"fleet": "%s", "image_tag": "%s", "ami_id": "ami-%s"}' "$FLEET" "$(<state)" "$(<state)" ;;
    "output -json fleet_names") echo '{"api": "a-api", "worker": "a-worker"}' ;;
    "output -raw api_address") echo https://pictures.test ;;
    "output -raw smoke_from") echo "$FROM" ;;
    apply*)
        tag=${*: -1}; tag=${tag#image_tag=}
        [ "$tag" != "$UNAPPLICABLE" ] || exit 1
        ami=$(grep -o 'ami_id=[^ ]*' <<<"$*" || true)
        echo "$tag" >state; echo "apply $tag${ami:+ on ${ami#ami_id=}}" >>log ;;
esac
"""

AWS = """#!/bin/bash
tag=$(<state)
case $2 in
    describe-instance-refreshes) [ "$tag" = "$UNHEALTHY" ] && echo RollbackSuccessful || echo Successful ;;
    describe-services) echo "definition COMPLETED" ;;
    describe-task-definition) [ "$tag" = "$UNHEALTHY" ] && echo host/image:former || echo "host/image:$tag" ;;
esac
"""

SMOKE = """#!/bin/bash
echo "smoke $(<state)" >>log
[ "$*" = "${WORD:-}https://pictures.test 600" ] || exit 1
! [[ " $PICTURELESS " == *" $(<state) "* ]]
"""


def release(former: str | None, **faults: str) -> tuple[int, list[str]]:
    """Releases the tag `new`; returns the exit code and what was done."""
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        (here / "scripts").mkdir()
        for script in ("release.sh", "rollout.sh"):
            shutil.copy(ROOT / "scripts" / script, here / "scripts" / script)
        (here / "bin").mkdir()
        for path, text in {"bin/terraform": TERRAFORM, "bin/aws": AWS, "scripts/smoke.sh": SMOKE, "scripts/operator.sh": SMOKE.replace("${WORD:-}", "smoke ")}.items():
            (here / path).write_text(text)
            (here / path).chmod(0o755)
        if former:
            (here / "state").write_text(former)
        clean = {"FLEET": "ec2", "UNAPPLICABLE": "", "UNHEALTHY": "", "PICTURELESS": "", "FROM": "outside", "POLL_SECONDS": "0"}
        environment = os.environ | clean | faults | {"PATH": f"{here / 'bin'}:{os.environ['PATH']}"}
        code = subprocess.run([here / "scripts/release.sh", "staging", "new"], env=environment, capture_output=True).returncode
        log = here / "log"
        return code, log.read_text().splitlines() if log.exists() else []


for fleet in ("ec2", "ecs"):
    assert release("old", FLEET=fleet) == (0, ["apply new", "smoke new"])
    assert release(None, FLEET=fleet) == (0, ["apply new", "smoke new"])
    # It makes no picture: back.
    back = ["apply new", "smoke new", "apply old on ami-old", "smoke old"]
    assert release("old", FLEET=fleet, PICTURELESS="new") == (1, back)
    # AWS gave up on it: back, without asking it for a picture.
    assert release("old", FLEET=fleet, UNHEALTHY="new") == (1, ["apply new", "apply old on ami-old", "smoke old"])
    assert release("old", FLEET=fleet, UNAPPLICABLE="new") == (1, ["apply old on ami-old", "smoke old"])
    # Nobody outside may call: the smoke test runs inside. An AMI that is asked for is left, too.
    assert release("old", FLEET=fleet, FROM="inside") == (0, ["apply new", "smoke new"])
    assert release("old", FLEET=fleet, PICTURELESS="new", AMI_ID="ami-new") == (1, ["apply new on ami-new", *back[1:]])
    # Nothing helps, or there is nothing to go back to: said by another code.
    assert release("old", FLEET=fleet, PICTURELESS="new old") == (2, back)
    assert release(None, FLEET=fleet, PICTURELESS="new") == (2, ["apply new", "smoke new"])
print("release and rollback: 9 courses on each fleet")
