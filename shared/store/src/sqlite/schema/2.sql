-- Where a write is tried while others fail.
CREATE TABLE probes (
    id INTEGER NOT NULL PRIMARY KEY,
    room BLOB NOT NULL
);

-- Documents whose picture another program named, for an import.
CREATE INDEX of_others ON assignments (id) WHERE document ->> '$.s3_image_name' IS NOT NULL;

-- Keys of programs.
CREATE TABLE api_keys (
    name TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
);

-- What calls to models have cost a day, for the fleet and each teacher, in millionths of a US dollar.
CREATE TABLE budgets (
    account TEXT NOT NULL PRIMARY KEY,
    day INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    open TEXT NOT NULL
);
CREATE INDEX days ON budgets (day);

-- Links by which students see an assignment; a link that is revoked has no token.
CREATE TABLE shares (
    assignment_id TEXT NOT NULL,
    link INTEGER NOT NULL,
    token TEXT,
    created_at REAL NOT NULL,
    expires_at REAL,
    revoked_at REAL,
    PRIMARY KEY (assignment_id, link)
) WITHOUT ROWID;
CREATE UNIQUE INDEX link_of_token ON shares (token) WHERE token IS NOT NULL;

-- What students answered there; the name is in the JSON text.
CREATE TABLE results (
    assignment_id TEXT NOT NULL,
    link INTEGER NOT NULL,
    id TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (assignment_id, link, id)
) WITHOUT ROWID;

-- An older picture that another program named, for an erasure: whether others name it, too.
CREATE INDEX named_by_others ON assignments (document ->> '$.s3_image_name')
    WHERE document ->> '$.s3_image_name' IS NOT NULL;
-- Tombstones of erasures that are not done yet.
CREATE INDEX erasing ON assignments (document ->> '$.erasing_for')
    WHERE document ->> '$.erasing_for' IS NOT NULL;

-- Who did what: entries are appended, and never changed or deleted.
CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL,
    at REAL AS (entry ->> '$.at') VIRTUAL,
    actor TEXT AS (entry ->> '$.actor') VIRTUAL,
    action TEXT AS (entry ->> '$.action') VIRTUAL,
    what TEXT AS (entry ->> '$.what') VIRTUAL
);
CREATE INDEX newest_entries ON audit_log (at, id);
CREATE INDEX newest_entries_of_actor ON audit_log (actor, at, id);
CREATE INDEX newest_entries_of_action ON audit_log (action, at, id);
CREATE INDEX newest_entries_of_what ON audit_log (what, at, id);
CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_is_not_replaced BEFORE INSERT ON audit_log
    WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Whose pseudonyms are in the audit log, for as long as that may be known.
CREATE TABLE audit_names (
    actor TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) WITHOUT ROWID;

-- The pause of the fleet, if there is one.
CREATE TABLE fleet_pause (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    pause TEXT NOT NULL
);

-- Prompts are in the indexes of the lists, so that a search reads no document that it does not find.
ALTER TABLE assignments ADD COLUMN prompt TEXT AS (document ->> '$.prompt') VIRTUAL;
DROP INDEX newest;
CREATE INDEX newest ON assignments (created_at, id, prompt) WHERE status <> 'deleted';
DROP INDEX newest_of_teacher;
CREATE INDEX newest_of_teacher ON assignments (teacher_id, created_at, id, prompt)
    WHERE teacher_id IS NOT NULL;
