-- The custom_ids of a batch that was not made here, by the lines of its input file: its results bear them, not our keys.
CREATE TABLE alias (
    batch     INTEGER NOT NULL REFERENCES batch (id),
    custom_id TEXT NOT NULL,
    key       TEXT NOT NULL REFERENCES request (key),
    line      INTEGER NOT NULL,        -- of the input file, from 1
    PRIMARY KEY (batch, custom_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX alias_by_key ON alias (key);
