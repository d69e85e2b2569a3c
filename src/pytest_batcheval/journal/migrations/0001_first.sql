-- One run of the client that may send.
CREATE TABLE run (
    id       TEXT PRIMARY KEY,
    started  REAL NOT NULL,            -- Unix seconds
    origin   TEXT NOT NULL,
    base_url TEXT NOT NULL,
    argv     TEXT NOT NULL             -- JSON array
) STRICT;

-- Every request that was ever planned, as its line of the input file.
CREATE TABLE request (
    key  TEXT PRIMARY KEY,
    line BLOB NOT NULL,
    crc  INTEGER NOT NULL              -- CRC-32 of key and line
) STRICT, WITHOUT ROWID;

-- One attempt to run some requests, as a batch of the provider's or as individual calls; `state` is the position
-- in the protocol that pays once.
CREATE TABLE batch (
    id             INTEGER PRIMARY KEY,
    run            TEXT NOT NULL REFERENCES run (id),
    origin         TEXT NOT NULL,
    scope          TEXT NOT NULL,      -- fingerprint of base URL, organisation, project and API key
    endpoint       TEXT NOT NULL,
    identity       TEXT NOT NULL,
    attempt        INTEGER NOT NULL,
    generation     INTEGER NOT NULL,
    requests       INTEGER NOT NULL,
    model          TEXT NOT NULL DEFAULT '',
    most_usd       TEXT NOT NULL DEFAULT '',  -- reserved of a budget; empty without one
    calls          TEXT NOT NULL DEFAULT 'batch' CHECK (calls IN ('batch', 'individual')),
    file_name      TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN (
        'planned', 'uploaded', 'creating', 'created', 'ended', 'settled', 'void', 'lost')),
    file_id        TEXT NOT NULL DEFAULT '',
    batch_id       TEXT NOT NULL DEFAULT '',
    status         TEXT NOT NULL DEFAULT '',
    completed      INTEGER,
    failed         INTEGER,
    output_file_id TEXT NOT NULL DEFAULT '',
    error_file_id  TEXT NOT NULL DEFAULT '',
    times          TEXT NOT NULL DEFAULT '',  -- JSON object: the provider's times, in Unix seconds, once it has ended
    answers        INTEGER NOT NULL DEFAULT 0,  -- that came with it; a count over all answers takes too long
    input_tokens   INTEGER NOT NULL DEFAULT 0,  -- used, by its answers
    output_tokens  INTEGER NOT NULL DEFAULT 0,
    note           TEXT NOT NULL DEFAULT ''
) STRICT;

-- Which batch owns a request. A request may be in one open batch of an origin only.
CREATE TABLE claim (
    key    TEXT NOT NULL REFERENCES request (key),
    origin TEXT NOT NULL,
    batch  INTEGER NOT NULL REFERENCES batch (id),
    open   INTEGER NOT NULL DEFAULT 1,
    sent   INTEGER NOT NULL DEFAULT 0, -- its individual call went out, and was not refused
    PRIMARY KEY (batch, key)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_open ON claim (origin, key) WHERE open = 1;

CREATE INDEX claim_by_key ON claim (origin, key);

CREATE TABLE answer (
    key        TEXT NOT NULL REFERENCES request (key),
    origin     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    batch      INTEGER NOT NULL REFERENCES batch (id),
    attempt    INTEGER NOT NULL,
    line_id    TEXT NOT NULL,
    response   BLOB NOT NULL,          -- JSON: status_code, request_id, body
    crc        INTEGER NOT NULL,       -- CRC-32 of key and response
    PRIMARY KEY (key, origin, generation)
) STRICT;

-- Why the newest attempt of a request has no answer.
CREATE TABLE failure (
    key         TEXT NOT NULL REFERENCES request (key),
    origin      TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    batch       INTEGER NOT NULL REFERENCES batch (id),
    attempt     INTEGER NOT NULL,
    code        TEXT NOT NULL,
    message     TEXT NOT NULL,
    status_code INTEGER,
    retryable   INTEGER NOT NULL,      -- whether a later run may send it again
    PRIMARY KEY (key, origin)
) STRICT;

-- Which generation a refresh wants a request to reach. It stands until the whole refresh is done,
-- so that one that was cut short goes on where it was and pays for nothing a third time.
CREATE TABLE refresh (
    key        TEXT NOT NULL,
    origin     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    run        TEXT NOT NULL REFERENCES run (id),
    done       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key, origin)
) STRICT, WITHOUT ROWID;

-- Where a run's time went, by its clock, and what this process used meanwhile.
CREATE TABLE stage (
    run      TEXT NOT NULL REFERENCES run (id),
    wave     INTEGER NOT NULL,
    name     TEXT NOT NULL,            -- plan, upload, queue, run, download or settle
    wall     REAL NOT NULL,            -- seconds
    cpu      REAL NOT NULL,            -- seconds
    memory   INTEGER NOT NULL,         -- the most resident bytes that were seen
    sent     INTEGER NOT NULL,         -- bytes
    received INTEGER NOT NULL,         -- bytes
    PRIMARY KEY (run, wave, name)
) STRICT, WITHOUT ROWID;

-- What each prompt asked for each cell when it was sent last: a change is shown before it is paid for.
CREATE TABLE cell (
    name   TEXT NOT NULL,
    origin TEXT NOT NULL,
    key    TEXT NOT NULL,
    PRIMARY KEY (name, origin)
) STRICT, WITHOUT ROWID;
