-- Where a write is tried while others fail.
CREATE TABLE probes (
    id INTEGER NOT NULL PRIMARY KEY,
    room BLOB NOT NULL
);

-- Documents whose picture another program named, for an import.
CREATE INDEX of_others ON assignments (id) WHERE document ->> '$.s3_image_name' IS NOT NULL;
