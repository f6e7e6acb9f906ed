CREATE TABLE assignments (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    status TEXT AS (document ->> '$.s3_upload_status') VIRTUAL,
    teacher_id TEXT AS (document ->> '$.teacher_id') VIRTUAL,
    created_at REAL AS (document ->> '$.created_at') VIRTUAL,
    wake_at REAL AS (document ->> '$.wake_at') VIRTUAL,
    sent_at REAL AS (document ->> '$.sent_at') VIRTUAL,
    claimed_until REAL AS (document ->> '$.claim.until') VIRTUAL,
    finished_at REAL AS (document ->> '$.finished_at') VIRTUAL,
    reuse_key TEXT AS (document ->> '$.reuse_key') VIRTUAL
);
CREATE INDEX due ON assignments (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX newest ON assignments (created_at, id) WHERE status <> 'deleted';
CREATE INDEX newest_of_status ON assignments (status, created_at, id);
CREATE INDEX newest_of_teacher ON assignments (teacher_id, created_at, id)
    WHERE teacher_id IS NOT NULL;
CREATE INDEX newest_of_teacher_and_status ON assignments (teacher_id, status, created_at, id)
    WHERE teacher_id IS NOT NULL;
CREATE INDEX sent ON assignments (sent_at, wake_at, claimed_until)
    WHERE status = 'pending' AND sent_at IS NOT NULL;
CREATE INDEX finished ON assignments (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX reusable ON assignments (reuse_key, finished_at)
    WHERE status = 'success' AND reuse_key IS NOT NULL;
CREATE INDEX reusable_of_teacher ON assignments (teacher_id, reuse_key, finished_at)
    WHERE status = 'success' AND teacher_id IS NOT NULL AND reuse_key IS NOT NULL;

CREATE TABLE limits (
    subject TEXT NOT NULL,
    window INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (subject, window)
) WITHOUT ROWID;
CREATE INDEX windows ON limits (window);

CREATE TABLE workers (
    worker TEXT NOT NULL PRIMARY KEY,
    at REAL NOT NULL,
    heartbeat TEXT NOT NULL
);
CREATE INDEX beats ON workers (at);
