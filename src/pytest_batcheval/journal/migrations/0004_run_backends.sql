-- The backends that one run sends to, by the names that its tests chose; empty for the run's own.
CREATE TABLE run_backend (
    run      TEXT NOT NULL REFERENCES run (id),
    backend  TEXT NOT NULL,
    origin   TEXT NOT NULL,
    base_url TEXT NOT NULL,
    PRIMARY KEY (run, backend)
) STRICT, WITHOUT ROWID;
