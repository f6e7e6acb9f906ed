"""The whole flow with a generated Python client, against the API at ATELIER_URL."""

import datetime
import os

from atelier_client import Client
from atelier_client.api.assignments import (
    batch_assignments,
    create_assignment,
    delete_assignment,
    get_assignment,
    get_assignment_image,
    list_assignments,
    retry_assignment,
    update_assignment,
)
from atelier_client.api.session import get_session
from atelier_client.api.students import (
    check_answers,
    get_shared_assignment,
    revoke_share,
    share_assignment,
)
from atelier_client.models import (
    AnswerSheet,
    Batch,
    BatchFilter,
    BatchOperation,
    Change,
    FailureCode,
    NewAssignment,
    Problem,
    Status,
)

api = Client(base_url=os.environ["ATELIER_URL"], follow_redirects=True)


def settled(id):
    for _ in range(10):
        assignment = get_assignment.sync(id, client=api, wait=20)
        if assignment.s3_upload_status != Status.PENDING:
            return assignment
    raise AssertionError(f"{id} stays pending")


created = create_assignment.sync_detailed(
    client=api,
    body=NewAssignment(
        prompt="[small] A comet above a village",
        teacher_id="python",
        question_answers=[{"question": "What flies?", "answer": "a comet"}],
    ),
)
assert created.status_code == 202, created
id = created.parsed.assignment_id
made = settled(id)
assert made.s3_upload_status == Status.SUCCESS, made
assert made.cost_usd > 0, made
image = get_assignment_image.sync_detailed(id, client=api)
assert image.status_code == 200 and len(image.content) > 0, image

change = Change(permanent=True, question_answers=[["What flies?", "a comet"]])
patched = update_assignment.sync(id, client=api, body=change)
assert patched.permanent, patched

# Without a body, on what has its picture: refused, with a problem document.
there = retry_assignment.sync(id, client=api)
assert isinstance(there, Problem) and there.status == 409, there

# And on one that failed: the model's filter declines it once.
api.get_httpx_client().put(
    "/fleet/faults", json={"service": "bedrock", "kind": "filtered", "count": 1}
).raise_for_status()
declined = create_assignment.sync(client=api, body=NewAssignment(prompt="[small] A kite"))
assert settled(declined.assignment_id).failure.code == FailureCode.DECLINED
retried = retry_assignment.sync_detailed(declined.assignment_id, client=api)
assert retried.status_code == 202 and retried.parsed.round_ == 2, retried
assert settled(declined.assignment_id).s3_upload_status == Status.SUCCESS

listed = list_assignments.sync(client=api, teacher_id="python", limit=10)
assert [it.assignment_id for it in listed.assignments] == [id], listed
today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
found = list_assignments.sync(client=api, q="COMET village", from_=today)
assert id in [it.assignment_id for it in found.assignments], found
assert list_assignments.sync(client=api, q="submarine").assignments == []
bad = list_assignments.sync(client=api, from_="yesterday")
assert isinstance(bad, Problem) and bad.errors[0].field == "from", bad

link = share_assignment.sync(id, client=api)
seen = get_shared_assignment.sync(link.token, client=api)
assert len(seen.questions) == 1, seen
verdict = check_answers.sync(link.token, client=api, body=AnswerSheet(answers=["A comet"]))
assert verdict.right == [True], verdict
assert revoke_share.sync_detailed(id, client=api).status_code == 204

filter = BatchFilter(teacher_id="python", q="comet")
batch = Batch(operation=BatchOperation.DELETE, filter_=filter)
told = batch_assignments.sync(client=api, body=batch)
assert not told.confirmed and told.count == 1, told
batch.confirm_count = told.count
done = batch_assignments.sync(client=api, body=batch)
assert done.done == 1 and done.failed == [], done

other = create_assignment.sync(client=api, body=NewAssignment(prompt="", teacher_id="python"))
assert delete_assignment.sync_detailed(other.assignment_id, client=api).status_code == 204
assert not get_session.sync(client=api).sign_in
print("Python: the whole flow")
