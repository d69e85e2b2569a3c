"""The journal's SQL, by name. `{keys}` stands for a list of `?`, `{round}` for a condition on its batches.

Both databases take it; `postgres_dialect.py` has what is written in another way there.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from pytest_batcheval.journal.rows import ADOPTED

K = TypeVar("K")

CHUNK = 500
"""Most keys in one query; older versions of SQLite allow 999 parameters."""


def of_keys(query: str, keys: Sequence[K], **words: str) -> Iterator[tuple[str, Sequence[K]]]:
    """A query for each part of the keys, with that part; `words` fill its other places."""
    for start in range(0, len(keys), CHUNK):
        part = keys[start : start + CHUNK]
        yield query.format(keys=", ".join("?" * len(part)), **words), part


ADD_RUN = "INSERT INTO run (id, started, origin, base_url, argv) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

# The stored line of this key is this line, or damaged: the key is a hash of it.
ADD_REQUEST = """
INSERT INTO request (key, line, crc) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET line = excluded.line, crc = excluded.crc WHERE request.line <> excluded.line
"""

# An unknown line never replaces a known one.
ADD_ADOPTED_REQUEST = "INSERT INTO request (key, line, crc) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

# A key that another open batch has is left out: the index decides, for all who claim at once.
ADD_CLAIM = """
INSERT INTO claim (key, origin, batch) VALUES (?, ?, ?) ON CONFLICT (origin, key) WHERE open = 1 DO NOTHING
"""

OPEN_OF_KEYS = "SELECT key FROM claim WHERE open = 1 AND key IN ({keys}) AND origin = ?"

# What was answered, or has finally failed, in a generation.
DONE = (
    "SELECT key FROM answer WHERE key IN ({keys}) AND origin = ? AND generation = ?",
    "SELECT key FROM failure WHERE key IN ({keys}) AND origin = ? AND generation = ? AND retryable = 0",
)

ADD_ADOPTED_CLAIM = """
INSERT INTO claim (key, origin, batch, open)
SELECT ?1, ?2, ?3, CASE WHEN EXISTS (
    SELECT 1 FROM claim WHERE key = ?1 AND origin = ?2 AND open = 1
) THEN 0 ELSE 1 END
"""

ADD_ALIAS = "INSERT INTO alias (batch, custom_id, key, line) VALUES (?, ?, ?, ?)"

ALIASES = "SELECT custom_id, key, line FROM alias WHERE batch = ? ORDER BY line"

ALIASES_OF_KEYS = "SELECT DISTINCT custom_id, key FROM alias WHERE key IN ({keys}) AND custom_id <> key"

KEYS_NAMED = "SELECT DISTINCT key FROM alias WHERE custom_id = ? ORDER BY key"

CLOSE_CLAIMS = "UPDATE claim SET open = 0 WHERE batch = ?"

MARK_SENT = "UPDATE claim SET sent = ? WHERE batch = ? AND key = ?"

UNKNOWN_CALLS = """
SELECT key FROM claim
WHERE batch = ? AND sent = 1
  AND NOT EXISTS (SELECT 1 FROM answer WHERE answer.key = claim.key AND answer.batch = claim.batch)
  AND NOT EXISTS (SELECT 1 FROM failure WHERE failure.key = claim.key AND failure.batch = claim.batch)
ORDER BY key
"""

CLAIMED = """
SELECT claim.key, batch.id, batch.state, batch.batch_id FROM claim JOIN batch ON batch.id = claim.batch
WHERE claim.open = 1 AND claim.key IN ({keys}) AND claim.origin = ? AND batch.id <> ?
LIMIT 1
"""

ADD_BATCH = """
INSERT INTO batch (
    run, origin, scope, endpoint, identity, attempt, generation, requests, model, most_usd, calls, file_name, state,
    status, round
)
VALUES (
    :run, :origin, :scope, :endpoint, :identity, :attempt, :generation, :requests, :model, :most_usd, :calls,
    :file_name, :state, :status, :round
)
RETURNING id
"""

UPDATE_BATCH = """
UPDATE batch
SET scope = :scope, state = :state, file_id = :file_id, batch_id = :batch_id, status = :status,
    completed = :completed, failed = :failed, output_file_id = :output_file_id,
    error_file_id = :error_file_id, times = :times, most_usd = :most_usd, answers = :answers,
    input_tokens = :input_tokens, output_tokens = :output_tokens, note = :note
WHERE id = :id
"""

ADD_ANSWER = """
INSERT INTO answer (key, origin, generation, batch, attempt, line_id, response, crc)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, origin, generation) DO NOTHING
"""

ADD_FAILURE = """
INSERT INTO failure (key, origin, generation, batch, attempt, code, message, status_code, retryable)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, origin) DO UPDATE SET
    generation = excluded.generation, batch = excluded.batch, attempt = excluded.attempt, code = excluded.code,
    message = excluded.message, status_code = excluded.status_code, retryable = excluded.retryable
"""

DROP_ANSWERED_FAILURES = """
DELETE FROM failure
WHERE origin = :origin AND key IN (SELECT key FROM claim WHERE batch = :batch)
  AND EXISTS (SELECT 1 FROM answer WHERE answer.key = failure.key AND answer.origin = :origin AND batch = :batch)
"""

BATCHES = "SELECT {columns} FROM batch WHERE (CAST(:origin AS TEXT) IS NULL OR origin = :origin) ORDER BY id"

BATCHES_NUMBERED = "SELECT {columns} FROM batch WHERE id IN ({keys}) ORDER BY id"

REFUSALS = "SELECT model, note FROM batch WHERE origin = ? AND state = 'void' AND note <> '' ORDER BY id"

OTHER_ROUND = "SELECT 1 FROM batch WHERE origin = ? AND round <> ? LIMIT 1"

KEYS_OF_BATCH = "SELECT key FROM claim WHERE batch = ? ORDER BY key"

CALLED = "SELECT key FROM claim WHERE batch = ? AND sent = 1 ORDER BY key"

LINES_OF_BATCH = """
SELECT claim.key, line, crc FROM claim JOIN request ON request.key = claim.key
WHERE claim.batch = ? AND claim.key > ? ORDER BY claim.key LIMIT ?
"""

HELD = """
SELECT claim.key, claim.batch FROM claim JOIN batch ON batch.id = claim.batch
WHERE claim.open = 1 AND claim.key IN ({keys}) AND claim.origin = ? AND batch.state <> 'lost'
"""

OPEN_CLAIMS = "SELECT key FROM claim WHERE open = 1 AND origin = ?"

BATCHES_WITH = "SELECT key, batch FROM claim WHERE key IN ({keys}) AND origin = ?"

NEWEST_BATCH = "SELECT coalesce(max(id), 0) FROM batch"

# Oldest first: a dict built from it keeps the newest, which is of the highest generation in its origin.
ANSWERS = """
SELECT answer.key, answer.origin, answer.line_id, answer.response, answer.crc, batch.round, batch.times, run.started
FROM answer JOIN batch ON batch.id = answer.batch LEFT JOIN run ON run.id = batch.run
WHERE answer.key IN ({keys}) AND (CAST(? AS TEXT) IS NULL OR answer.origin = ?) AND {round}
ORDER BY answer.batch
"""

# The newest of each request and origin, of any round where ?2 is empty; a page of them after a key.
ALL_ANSWERS = """
SELECT answer.key, answer.origin, answer.line_id, answer.response, answer.crc, batch.round, batch.times, run.started,
       request.line
FROM answer JOIN batch ON batch.id = answer.batch LEFT JOIN run ON run.id = batch.run
            JOIN request ON request.key = answer.key
WHERE (CAST(?1 AS TEXT) IS NULL OR answer.origin = ?1) AND (CAST(?2 AS TEXT) = '' OR batch.round = ?2)
  AND answer.key > ?3 AND answer.generation = (
    SELECT max(other.generation) FROM answer AS other JOIN batch AS its ON its.id = other.batch
    WHERE other.key = answer.key AND other.origin = answer.origin AND (CAST(?2 AS TEXT) = '' OR its.round = ?2)
  )
ORDER BY answer.key, answer.origin LIMIT ?4
"""

NEWEST_ANSWERS = """
SELECT answer.key, answer.origin, answer.line_id, answer.response, answer.crc, batch.round, batch.times, run.started,
       request.line
FROM answer JOIN batch ON batch.id = answer.batch LEFT JOIN run ON run.id = batch.run
            JOIN request ON request.key = answer.key
ORDER BY answer.rowid DESC LIMIT ?
"""

NEWEST_KEYS = "SELECT key FROM answer ORDER BY rowid DESC LIMIT ?"

ANSWERS_TO = """
SELECT answer.key, answer.origin, answer.line_id, answer.response, answer.crc, batch.round, batch.times, run.started,
       request.line
FROM answer JOIN batch ON batch.id = answer.batch LEFT JOIN run ON run.id = batch.run
            JOIN request ON request.key = answer.key
WHERE answer.key IN ({keys}) AND answer.generation = (
    SELECT max(other.generation) FROM answer AS other WHERE other.key = answer.key AND other.origin = answer.origin
)
ORDER BY answer.key, answer.origin
"""

FAILED = """
SELECT failure.key, origin, code, message, status_code, retryable, line FROM failure JOIN request USING (key)
WHERE length(line) > 0 AND {which} AND NOT EXISTS (
    SELECT 1 FROM answer WHERE answer.key = failure.key AND answer.origin = failure.origin
)
ORDER BY failure.key
"""

ASKED = """
SELECT DISTINCT key, origin, line FROM {table} JOIN request USING (key) WHERE length(line) > 0 AND key IN ({{keys}})
"""

KEYS_ANSWERED = "SELECT key FROM answer WHERE key IN ({keys}) AND origin = ?"

# CROSS JOIN keeps SQLite from beginning with the answers.
ANSWERED_BEFORE = """
SELECT claim.key FROM claim CROSS JOIN answer
WHERE answer.key = claim.key AND claim.batch = ? AND answer.origin = ? AND answer.generation = ? AND answer.batch <> ?
"""

FAILURES = """
SELECT key, code, message, status_code, retryable FROM failure
WHERE key IN ({keys}) AND origin = ?
  AND NOT EXISTS (
    SELECT 1 FROM answer JOIN batch ON batch.id = answer.batch
    WHERE answer.key = failure.key AND answer.origin = failure.origin AND {round}
  )
  AND batch IN (SELECT id FROM batch WHERE {round})
"""

FINAL_FAILURES = """
SELECT key, failure.generation FROM failure JOIN batch ON batch.id = failure.batch
WHERE key IN ({keys}) AND failure.origin = ? AND retryable = 0 AND {round}
"""

GENERATIONS = """
SELECT key, max(answer.generation) FROM answer JOIN batch ON batch.id = answer.batch
WHERE key IN ({keys}) AND answer.origin = ? AND {round}
GROUP BY key
"""

TRIES = """
SELECT claim.key, max(batch.generation), max(batch.attempt) FROM claim JOIN batch ON batch.id = claim.batch
WHERE claim.key IN ({keys}) AND claim.origin = ? AND {round}
GROUP BY claim.key
"""

FORGIVE_FAILURE = """
UPDATE failure SET retryable = 1
WHERE key = ? AND origin = ? AND code IN ('lost', 'unaccounted', 'broken_line', 'no_answer')
"""

FORGIVE_CLAIM = """
UPDATE claim SET open = 0
WHERE key = ? AND origin = ? AND open = 1 AND batch IN (SELECT id FROM batch WHERE state = 'lost')
"""

RELEASE_OTHER_ROUNDS = """
UPDATE claim SET open = 0
WHERE origin = ? AND open = 1 AND batch IN (SELECT id FROM batch WHERE state = 'lost' AND round <> ?)
"""

CELLS = "SELECT name, key FROM cell WHERE name IN ({keys}) AND origin = ?"

CELLS_OF = "SELECT DISTINCT name FROM cell WHERE key = ? ORDER BY name"

ADD_CELL = """
INSERT INTO cell (name, origin, key) VALUES (?, ?, ?)
ON CONFLICT (name, origin) DO UPDATE SET key = excluded.key WHERE cell.key <> excluded.key
"""

LINE = "SELECT line FROM request WHERE key = ? AND length(line) > 0"

KEYS_BETWEEN = "SELECT key FROM request WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"

ANSWERS_OF = """
SELECT answer.origin, answer.generation, batch.batch_id FROM answer JOIN batch ON batch.id = answer.batch
WHERE answer.key = ? ORDER BY answer.origin, answer.generation
"""

BATCHES_OF = """
SELECT batch.origin, batch.batch_id, batch.state, batch.note, claim.open FROM claim JOIN batch ON batch.id = claim.batch
WHERE claim.key = ? ORDER BY batch.id
"""

# By its claim, which every answer has: an index of all answers by batch would serve nothing else.
ANSWERED_BY = """
SELECT claim.key FROM claim JOIN answer ON answer.key = claim.key AND answer.origin = claim.origin
WHERE claim.batch IN ({keys}) AND answer.batch = claim.batch
"""

ADD_TIER_USE = """
INSERT INTO tier_use (batch, tier, answers, input_tokens, output_tokens) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (batch, tier) DO UPDATE SET answers = tier_use.answers + excluded.answers,
    input_tokens = tier_use.input_tokens + excluded.input_tokens,
    output_tokens = tier_use.output_tokens + excluded.output_tokens
"""

TIER_USES = "SELECT batch, tier, input_tokens, output_tokens FROM tier_use"

ADD_RUN_BACKEND = """
INSERT INTO run_backend (run, backend, value, origin, base_url) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

RUN_ORIGINS = "SELECT backend, origin FROM run_backend WHERE run = ?"

RUN_ASKED = """
SELECT key, claim.origin FROM claim JOIN batch ON batch.id = claim.batch WHERE batch.run = ? ORDER BY batch.id
"""

RUN_VALUES = "SELECT origin, min(value) FROM run_backend WHERE run = ? GROUP BY origin ORDER BY origin"

# A refresh is complete when none of its requests is waiting any more.
FORGET_WHOLE_REFRESHES = """
DELETE FROM refresh
WHERE origin = :origin AND run <> :run
  AND run NOT IN (SELECT run FROM refresh WHERE origin = :origin AND done = 0)
"""

_REFRESHED = """
FROM refresh
WHERE origin = :origin AND run <> :run AND done = 1 AND key IN (SELECT value FROM json_each(:keys))
"""

COUNT_REFRESHED = f"SELECT count(*) {_REFRESHED}"

FORGET_REFRESHED = f"DELETE {_REFRESHED}"

ADD_REFRESH = "INSERT INTO refresh (key, origin, generation, run) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

REFRESHES = "SELECT key, generation FROM refresh WHERE key IN ({keys}) AND origin = ?"

END_REFRESH = "UPDATE refresh SET done = 1 WHERE key = ? AND origin = ?"

_REPLACED = """
FROM answer WHERE rowid IN (
    SELECT older.rowid FROM answer AS newer
    JOIN answer AS older ON older.key = newer.key AND older.origin = newer.origin
    WHERE newer.generation > 1 AND older.generation < newer.generation
)
"""
COUNT_REPLACED = f"SELECT count(*) {_REPLACED}"
DROP_REPLACED = f"DELETE {_REPLACED}"

_OLD = """
SELECT batch.id FROM batch JOIN run ON run.id = batch.run
WHERE run.started < :before AND batch.state IN ('settled', 'void')
"""
_OLD_ANSWERS = f"""
FROM answer WHERE rowid IN (
    SELECT answer.rowid FROM claim JOIN answer ON answer.key = claim.key AND answer.origin = claim.origin
    WHERE claim.batch IN ({_OLD}) AND answer.batch = claim.batch
)
"""
_OLD_FAILURES = f"FROM failure WHERE batch IN ({_OLD})"
COUNT_OLD = f"SELECT (SELECT count(*) {_OLD_ANSWERS}) + (SELECT count(*) {_OLD_FAILURES})"
DROP_OLD = (f"DELETE {_OLD_ANSWERS}", f"DELETE {_OLD_FAILURES}")
# Lines that no newer batch has asked again, at whatever origin.
OLD_LINES = f"""
SELECT DISTINCT key FROM claim WHERE batch IN ({_OLD}) AND NOT EXISTS (
    SELECT 1 FROM claim AS newer
    WHERE newer.origin IN (SELECT origin FROM batch) AND newer.key = claim.key AND newer.batch NOT IN ({_OLD})
)
"""
DROP_LINE = "UPDATE request SET line = ?, crc = ? WHERE key = ?"

_NO_RESULT = """
NOT EXISTS (SELECT 1 FROM answer WHERE answer.key = claim.key AND answer.origin = claim.origin)
AND NOT EXISTS (SELECT 1 FROM failure WHERE failure.key = claim.key AND failure.origin = claim.origin)
"""

STILL_OPEN = """
SELECT batch.id, batch.state, count(*) FROM claim JOIN batch ON batch.id = claim.batch
WHERE claim.open = 1 AND batch.state IN ('settled', 'void') GROUP BY batch.id, batch.state
"""

ODD_BATCHES = """
SELECT id FROM batch
WHERE calls NOT IN ('batch', 'individual')
   OR state NOT IN ('planned', 'uploaded', 'creating', 'created', 'ended', 'settled', 'void', 'lost')
"""

# A settled key has an answer or a failure, unless they were pruned, with its line, or it may be sent by a later batch.
GONE = f"""
SELECT claim.key FROM claim JOIN batch ON batch.id = claim.batch JOIN request ON request.key = claim.key
WHERE length(request.line) > 0 {{which}} AND {_NO_RESULT}
GROUP BY claim.origin, claim.key
HAVING min(CASE WHEN batch.state = 'settled' AND (batch.batch_id <> '' OR claim.sent = 1) THEN 1 ELSE 0 END) = 1
"""

# By the id at the provider, where their own was taken from them below.
FORGOTTEN = f"""
SELECT substr(file_name, length('{ADOPTED}') + 1) FROM batch
WHERE file_name LIKE '{ADOPTED}%' AND batch_id = '' AND origin = ?
EXCEPT SELECT batch_id FROM batch
"""

# Statements that make a consistent journal of the rows that were left of a damaged one.
MEND = (
    # Answers and failures count, also those of a batch that could not be read.
    """
    INSERT INTO batch (id, run, origin, scope, endpoint, identity, attempt, generation, requests, file_name, state)
    SELECT batch, 'salvaged', origin, '', '', '', attempt, generation, 0, '', 'settled'
    FROM (SELECT batch, origin, attempt, generation FROM answer
          UNION SELECT batch, origin, attempt, generation FROM failure)
    WHERE batch NOT IN (SELECT id FROM batch)
    GROUP BY batch
    """,
    "DELETE FROM claim WHERE batch NOT IN (SELECT id FROM batch)",
    # A key without request, answer and failure is a damaged one.
    f"DELETE FROM claim WHERE key NOT IN (SELECT key FROM request) AND {_NO_RESULT}",
    """
    INSERT OR IGNORE INTO claim (key, origin, batch, open)
    SELECT key, origin, batch, 0 FROM answer UNION SELECT key, origin, batch, 0 FROM failure
    """,
    """
    INSERT INTO run (id, started, origin, base_url, argv)
    SELECT run, 0, min(origin), '', '[]' FROM (SELECT run, origin FROM batch UNION SELECT run, origin FROM refresh)
    WHERE run NOT IN (SELECT id FROM run)
    GROUP BY run
    """,
    """
    INSERT INTO request (key, line, crc)
    SELECT key, X'', checksum(key, X'')
    FROM (SELECT key FROM claim UNION SELECT key FROM answer UNION SELECT key FROM failure)
    WHERE key NOT IN (SELECT key FROM request)
    """,
    # The aliases of a batch that was not made here name its requests a second time.
    """
    INSERT OR IGNORE INTO claim (key, origin, batch, open)
    SELECT alias.key, batch.origin, batch.id, 0 FROM alias JOIN batch ON batch.id = alias.batch
    """,
    # A batch whose requests are not all known is forgotten, so that it is found at the provider with all of them.
    f"""
    UPDATE batch SET state = 'settled', batch_id = '', file_id = '', note = 'not all of its requests could be read'
    WHERE state <> 'lost' AND calls = 'batch' AND (
        requests <> (SELECT count(*) FROM claim WHERE claim.batch = batch.id)
        OR file_name LIKE '{ADOPTED}%'
            AND requests > (SELECT count(DISTINCT key) FROM alias WHERE alias.batch = batch.id)
            AND EXISTS (SELECT 1 FROM claim WHERE claim.batch = batch.id AND {_NO_RESULT})
    )
    """,
    # What was never uploaded cannot be uploaded without its lines.
    """
    UPDATE batch SET state = 'void', note = 'not all of its lines could be read'
    WHERE state = 'planned'
      AND EXISTS (SELECT 1 FROM claim JOIN request USING (key) WHERE claim.batch = batch.id AND request.line = X'')
    """,
    "UPDATE claim SET open = 0 WHERE batch IN (SELECT id FROM batch WHERE state IN ('settled', 'void'))",
    # A settled batch is read again for the answers that could not be.
    f"""
    UPDATE batch SET state = 'created', note = 'its answers could not all be read'
    WHERE state = 'settled' AND batch_id <> ''
      AND id IN (SELECT max(batch) FROM claim WHERE {_NO_RESULT} GROUP BY origin, key)
    """,
    f"""
    UPDATE OR IGNORE claim SET open = 1
    WHERE batch IN (SELECT id FROM batch WHERE state = 'created') AND {_NO_RESULT}
    """,
    # Nobody can be asked again for the answer to an individual call.
    f"""
    INSERT INTO failure (key, origin, generation, batch, attempt, code, message, retryable)
    SELECT claim.key, claim.origin, batch.generation, batch.id, batch.attempt, 'lost',
        'its answer was in a part of the journal that was damaged; it was paid', 0
    FROM claim JOIN batch ON batch.id = claim.batch
    WHERE batch.state = 'settled' AND batch.calls = 'individual' AND claim.sent = 1 AND {_NO_RESULT}
    ON CONFLICT DO NOTHING
    """,
)


RUNS = "SELECT id, started, origin, base_url, argv FROM run ORDER BY started, rowid"

# The sign keeps SQLite from looking for the one message among all failures of the batch.
FAILURE_COUNTS = """
SELECT many.batch, many.code, many.status_code, many.number, many.key, failure.message, many.retryable
FROM (
    SELECT batch, code, status_code, retryable, count(*) AS number, min(key) AS key FROM failure
    GROUP BY batch, code, status_code, retryable
) AS many JOIN failure ON failure.key = many.key AND +failure.batch = many.batch
"""

# A key that is sent again has a higher attempt, so batches without an earlier one of a lower attempt are skipped;
# CROSS JOIN keeps SQLite from beginning with the claims.
REPEATED_COUNTS = """
SELECT claim.batch, count(*) FROM (
    SELECT id, run, attempt, min(attempt) OVER (
        PARTITION BY run ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS least FROM batch
) AS batch CROSS JOIN claim
WHERE claim.batch = batch.id AND batch.least < batch.attempt AND EXISTS (
    SELECT 1 FROM claim AS older JOIN batch AS earlier ON earlier.id = older.batch
    WHERE older.origin = claim.origin AND older.key = claim.key AND earlier.run = batch.run AND earlier.id < batch.id
)
GROUP BY claim.batch
"""

ADD_STAGE = """
INSERT INTO stage (run, wave, name, wall, cpu, memory, sent, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

STAGES = "SELECT run, wave, name, wall, cpu, memory, sent, received FROM stage"

ENDED_BATCHES = "SELECT id FROM batch WHERE state IN ('settled', 'void', 'lost') ORDER BY id"

# A batch that ended as a whole without answers has at least one row.
TROUBLE_OF_BATCH = """
SELECT batch.run, batch.batch_id, batch.attempt, batch.state, batch.note,
    failure.key, failure.code, failure.message, failure.status_code, failure.retryable
FROM batch LEFT JOIN failure ON failure.batch = batch.id
WHERE batch.id = ? AND (failure.key IS NOT NULL OR batch.state <> 'settled')
ORDER BY failure.key
"""
