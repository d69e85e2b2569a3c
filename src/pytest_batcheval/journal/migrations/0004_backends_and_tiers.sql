-- The backends that one run sends to, by the names that its tests chose; empty for the run's own.
CREATE TABLE run_backend (
    run      TEXT NOT NULL REFERENCES run (id),
    backend  TEXT NOT NULL,
    value    TEXT NOT NULL,             -- of --batch-backend, without a password
    origin   TEXT NOT NULL,
    base_url TEXT NOT NULL,
    PRIMARY KEY (run, backend)
) STRICT, WITHOUT ROWID;

-- Tokens of answers to individual calls that another service tier than the standard one served, such as flex.
CREATE TABLE tier_use (
    batch         INTEGER NOT NULL REFERENCES batch (id),
    tier          TEXT NOT NULL,
    answers       INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (batch, tier)
) STRICT, WITHOUT ROWID;
